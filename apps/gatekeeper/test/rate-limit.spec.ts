import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request, { type Response } from 'supertest';
import { AuditLogger } from '#audit';
import { type AuditPage } from '#contracts';
import { agentToken, startService, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

const BURST = 5;
const ENOUGH = 200;

describe('the rate limit', () => {
  let service: TestService;
  const validate = async (ghost: string, tenant?: string): Promise<Response> =>
    request(service.url)
      .post('/validate')
      .set('authorization', `Bearer ${await agentToken(ghost, { ...(tenant !== undefined && { tenant }) })}`)
      .send({ action: 'execute', resource: 'shells/l1/echo' });

  beforeAll(async () => {
    const environment = { GATEKEEPER_RATE_LIMIT: '1', GATEKEEPER_RATE_BURST: `${BURST}` };
    service = await startService('gatekeeper', gatekeeper, { environment });
  });
  afterAll(() => service.close());

  it('answers 429 with Retry-After beyond the burst, and records it once', async () => {
    const began = Date.now();
    const answers: Response[] = [];
    const refused: Response[] = [];
    while (refused.length < 10 && answers.length < ENOUGH) {
      const answer = await validate('Scout');
      answers.push(answer);
      if (answer.status === 429) refused.push(answer);
    }
    expect(answers.slice(0, BURST).every(({ status }) => status === 200)).toBe(true);
    expect(refused).toHaveLength(10);
    // One more for each second that went by.
    expect(answers.length - refused.length).toBeLessThanOrEqual(BURST + Math.ceil((Date.now() - began) / 1000));
    expect(refused[0]!.body).toMatchObject({ status: 429, code: 'rate_limited', ghost_id: 'Scout' });
    for (const { headers } of refused) expect(headers['retry-after']).toBe('1');
    await service.app.get(AuditLogger).flush();
    const { body } = (await request(service.url)
      .get('/v1/audit/events?ghost_id=Scout&result=DENIED')
      .set('authorization', `Bearer ${await agentToken('Supervisor')}`)) as { body: AuditPage };
    const { events } = body;
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      reason: 'rate limit: More than 1 requests a second, after a burst of 5',
      metadata: { rate: 1, burst: BURST, refused_before: 0 },
    });
  });

  it('counts each ghost of each tenant for itself', async () => {
    let status = 0;
    for (let i = 0; i < ENOUGH && status !== 429; i++) ({ status } = await validate('Librarian'));
    expect(status).toBe(429);
    expect((await validate('Librarian', 'acme')).status).toBe(200);
  });
});

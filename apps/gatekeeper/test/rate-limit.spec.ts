import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request, { type Response } from 'supertest';
import { type AuditPage } from '#contracts';
import { agentToken, startService, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

const BURST = 5;

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
    const answers: Response[] = [];
    for (let i = 0; i < BURST + 10; i++) answers.push(await validate('Scout'));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.slice(0, BURST).every(({ status }) => status === 200)).toBe(true);
    expect(refused.length).toBeGreaterThanOrEqual(8);
    expect(refused[0]!.body).toMatchObject({ status: 429, code: 'rate_limited', ghost_id: 'Scout' });
    for (const { headers } of refused) expect(headers['retry-after']).toBe('1');
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
    for (let i = 0; i < BURST + 3; i++) await validate('Librarian');
    expect((await validate('Librarian')).status).toBe(429);
    expect((await validate('Librarian', 'acme')).status).toBe(200);
  });
});

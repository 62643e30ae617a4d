import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { Harness } from './harness.js';

describe('when the audit trail takes no more', () => {
  let harness: Harness;
  beforeEach(async () => {
    // With the gatekeeper away, a queue of two is soon full.
    harness = await Harness.start({
      GUARDIAN_DEFAULT_CERTIFICATES: 'Scout',
      AUDIT_DURABILITY: 'memory',
      AUDIT_QUEUE_MAXSIZE: '2',
    });
    await waitFor('the first event', () => harness.gatekeeper.events.length === 1);
    harness.gatekeeper.fail(503);
    for (let i = 0; i < 2; i++) expect((await harness.put('router', `/badges/Full/b${i}`)).status).toBe(200);
  });
  afterEach(() => harness.close());

  const sql = (text: string) => harness.service.database.query(text);

  it('nothing is changed that cannot be recorded', async () => {
    const changes = [
      () => harness.put('router', '/badges/Full/b2'),
      () => harness.delete('router', '/badges/Full/b0'),
      () => harness.post('router', '/certificates', { agent: 'Late', ttl: 60 }),
      () => harness.delete('router', '/certificates/Scout'),
    ];
    for (const change of changes) {
      const answer = await change();
      expect([answer.status, answer.body]).toMatchObject([503, { code: 'audit_unavailable' }]);
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect(await sql('SELECT badge FROM agent_badges ORDER BY badge')).toEqual([{ badge: 'b0' }, { badge: 'b1' }]);
    expect(await sql('SELECT agent, revoked_at FROM certificates')).toEqual([{ agent: 'Scout', revoked_at: null }]);

    harness.gatekeeper.fail();
    await waitFor('the queue to empty', () => harness.gatekeeper.events.length === 3, 20_000);
    await waitFor('room', async () => (await harness.put('router', '/badges/Full/b2')).status === 200);
  });

  it('a refusal that cannot be recorded is a 503, what is allowed goes on', async () => {
    expect((await harness.post('router', '/validate', { agent: 'Stranger' })).status).toBe(503);
    const refused = await harness.post('router', '/session/start', { agent: 'Stranger', session_id: 's' });
    expect([refused.status, refused.body]).toMatchObject([503, { code: 'audit_unavailable' }]);
    const started = await harness.post('router', '/session/start', { agent: 'Scout', session_id: 's' });
    expect(started.status).toBe(200);
  });

  it('agents hear that the gatekeeper does not answer', async () => {
    const answer = await harness.post('Scout', '/validate', { agent: 'Scout' });
    expect([answer.status, answer.body]).toMatchObject([503, { code: 'gatekeeper_unavailable' }]);
  });
});

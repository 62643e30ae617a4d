import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Caller } from '#testing';
import { Harness } from './harness.js';

describe('sessions', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterEach(() => harness.gatekeeper.allow());
  afterAll(() => harness.close());

  const start = (agent: string, id: string, caller: Caller = 'router', more = {}) =>
    harness.post(caller, '/session/start', { agent, session_id: id, ...more });
  const end = (id: string, caller: Caller = 'router', more = {}) =>
    harness.post(caller, '/session/end', { session_id: id, ...more });
  const row = async (id: string) =>
    (await harness.service.database.query('SELECT * FROM agent_sessions WHERE session_id = $1', [id]))[0];

  describe('POST /session/start', () => {
    it('starts one for a certified agent', async () => {
      const id = randomUUID();
      const answer = await start('Scout', id, 'router', { metadata: { model: 'echo' } });
      expect([answer.status, answer.body]).toMatchObject([
        200,
        { allowed: true, reason: expect.stringMatching(/^Agent 'Scout' is certified until \d{4}-/) },
      ]);
      expect(await row(id)).toMatchObject({
        agent: 'Scout',
        started_by: 'service:router',
        ended_at: null,
        outcome: null,
        metadata: { model: 'echo' },
      });
    });

    it('refuses an agent without a certificate, and records the refused session', async () => {
      const id = randomUUID();
      const answer = await start('Stranger', id);
      expect([answer.status, answer.body]).toMatchObject([
        403,
        { detail: "Agent 'Stranger' lacks a valid certificate", code: 'certificate_missing' },
      ]);
      expect(await row(id)).toBeUndefined();
      expect(await harness.event('session.start', { session_id: id })).toMatchObject({
        id: (answer.body as { audit_id: string }).audit_id,
        ghost_id: 'Stranger',
        resource: 'guardian/sessions/Stranger',
        result: 'DENIED',
        entities: [
          { kind: 'agent', id: 'Stranger' },
          { kind: 'session', id },
        ],
      });
    });

    it('says 409 of one that is active, whoever asks, and of one that has ended', async () => {
      const id = randomUUID();
      await start('Scout', id);
      const active = await start('Librarian', id);
      expect([active.status, active.body]).toMatchObject([
        409,
        { code: 'session_active', detail: `Session '${id}' is already active` },
      ]);
      await end(id);
      const ended = await start('Scout', id);
      expect([ended.status, ended.body]).toMatchObject([409, { code: 'session_ended' }]);
      expect(await harness.event('session.start', { session_id: id, ghost_id: 'Librarian' })).toMatchObject({
        result: 'DENIED',
      });
      expect(await row(id)).toMatchObject({ agent: 'Scout' });
    });

    it('starts one of many that come at once', async () => {
      const id = randomUUID();
      const answers = await Promise.all(Array.from({ length: 8 }, () => start('Scout', id)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(409)]);
    });

    it("lets an agent start its own, and another's only with the right", async () => {
      expect((await start('Scout', randomUUID(), 'Scout')).status).toBe(200);
      const refused = await start('Librarian', randomUUID(), 'Scout');
      expect([refused.status, refused.body]).toMatchObject([403, { code: 'policy_denied' }]);
      harness.gatekeeper.allow(
        ({ action, resource }) => action === 'write' && resource === 'guardian/sessions/Librarian',
      );
      const id = randomUUID();
      expect((await start('Librarian', id, 'Scout')).status).toBe(200);
      expect(await row(id)).toMatchObject({ agent: 'Librarian', started_by: 'Scout' });
    });

    it('answers 400 naming the field, and 401', async () => {
      const bad = await start('', randomUUID());
      expect([bad.status, bad.body]).toMatchObject([400, { code: 'invalid_request', param: 'agent' }]);
      const deep = await start('Scout', randomUUID(), 'router', { metadata: { text: 'a\0b' } });
      expect([deep.status, deep.body]).toMatchObject([400, { errors: [{ field: 'metadata' }] }]);
      expect((await start('Scout', randomUUID(), 'nobody')).status).toBe(401);
    });
  });

  describe('POST /session/end', () => {
    it('ends one, with outcome and output', async () => {
      const id = randomUUID();
      await start('Scout', id);
      const answer = await end(id, 'router', { outcome: 'failed', output_file: 'out.md' });
      expect([answer.status, answer.body]).toEqual([
        200,
        { session_id: id, agent: 'Scout', outcome: 'failed', duration_seconds: expect.any(Number) },
      ]);
      expect((answer.body as { duration_seconds: number }).duration_seconds).toBeGreaterThan(0);
      expect(await row(id)).toMatchObject({ outcome: 'failed', output_file: 'out.md', ended_at: expect.any(Date) });
    });

    it('answers the same when it has ended: the first outcome stays', async () => {
      const id = randomUUID();
      await start('Scout', id);
      const first = await end(id);
      const second = await end(id, 'router', { outcome: 'cancelled' });
      expect(second.body).toEqual(first.body);
      expect(first.body).toMatchObject({ outcome: 'succeeded' });
    });

    it('says 404 of one that is unknown, 400 of a bad outcome, 401 to nobody', async () => {
      const unknown = await end(randomUUID());
      expect([unknown.status, unknown.body]).toMatchObject([404, { code: 'session_not_found' }]);
      const bad = await end(randomUUID(), 'router', { outcome: 'so so' });
      expect([bad.status, bad.body]).toMatchObject([400, { errors: [{ field: 'outcome' }] }]);
      expect((await end(randomUUID(), 'nobody')).status).toBe(401);
    });

    it("lets an agent end its own, and another's only with the right", async () => {
      const [own, anothers] = [randomUUID(), randomUUID()];
      await start('Scout', own);
      await start('Librarian', anothers);
      expect((await end(own, 'Scout')).status).toBe(200);
      expect((await end(anothers, 'Scout')).status).toBe(403);
      expect(await row(anothers)).toMatchObject({ ended_at: null });
      expect((await end(anothers, 'Supervisor')).status).toBe(200);
    });
  });

  it('survive a restart', async () => {
    const [active, ended] = [randomUUID(), randomUUID()];
    await start('Scout', active);
    await start('Scout', ended);
    await end(ended);
    await harness.restart();
    expect((await start('Scout', active)).body).toMatchObject({ status: 409, code: 'session_active' });
    expect((await start('Scout', ended)).body).toMatchObject({ status: 409, code: 'session_ended' });
    expect((await end(active)).status).toBe(200);
  });

  describe('GET /stats', () => {
    const stats = async (path: string, caller: Caller = 'router') => {
      const answer = await harness.get(caller, path);
      return {
        status: answer.status,
        ...(answer.body as { stats: Record<string, Record<string, unknown>>; total_agents: number }),
      };
    };

    it('counts what is active and what is done, and averages over the latter', async () => {
      const agent = 'Counted';
      const certified = await harness.post('Supervisor', '/certificates', { agent, ttl: '1h' });
      for (const id of ['c1', 'c2', 'c3']) await start(agent, id);
      for (const id of ['c1', 'c2']) await end(id);
      await harness.service.database.query(
        `UPDATE agent_sessions SET ended_at = started_at + CASE session_id WHEN 'c1' THEN interval '1 s' ELSE interval '4 s' END
         WHERE session_id IN ('c1', 'c2')`,
      );
      expect(await stats('/stats?agent=Counted')).toEqual({
        status: 200,
        stats: {
          Counted: {
            active_sessions: 1,
            completed_total: 2,
            avg_duration: 2.5,
            certification_expires: (certified.body as { expires_at: string }).expires_at,
          },
        },
        total_agents: 1,
      });
    });

    it('has agents without sessions, those without a certificate, and nobody that is unknown', async () => {
      const idle = { active_sessions: 0, completed_total: 0, avg_duration: 0 };
      expect((await stats('/stats?agent=Supervisor')).stats).toMatchObject({
        Supervisor: { ...idle, certification_expires: expect.any(String) },
      });
      await harness.delete('Supervisor', '/certificates/Supervisor_Managed_Agent');
      expect((await stats('/stats?agent=Supervisor_Managed_Agent')).stats).toEqual({
        Supervisor_Managed_Agent: { ...idle, certification_expires: null },
      });
      expect(await stats('/stats?agent=Unknown')).toEqual({ status: 200, stats: {}, total_agents: 0 });
    });

    it('has all agents, as many as asked for, and counts them all', async () => {
      const all = await stats('/stats');
      expect(Object.keys(all.stats)).toEqual(expect.arrayContaining(['Scout', 'Librarian', 'Supervisor', 'Counted']));
      expect(all.total_agents).toBe(Object.keys(all.stats).length);
      const one = await stats('/stats?limit=1');
      expect([Object.keys(one.stats).length, one.total_agents]).toEqual([1, all.total_agents]);
      expect((await stats('/stats?limit=0')).status).toBe(400);
      expect((await stats('/stats', 'nobody')).status).toBe(401);
    });

    it("shows an agent its own, and another's only with the right", async () => {
      expect(Object.keys((await stats('/stats', 'Scout')).stats)).toEqual(['Scout']);
      expect((await stats('/stats?agent=Librarian', 'Scout')).status).toBe(403);
      expect((await stats('/stats?agent=Librarian', 'Supervisor')).status).toBe(200);
    });
  });
});

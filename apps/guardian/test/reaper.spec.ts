import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AuditTrail } from '#audit';
import { GuardianClient } from '#clients';
import { ServiceError } from '#errors';
import { waitFor, type TestService } from '#testing';
import { SessionReaper } from '../src/sessions/session-reaper.js';
import { Harness } from './harness.js';

describe('sessions that are not heard of', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterEach(() => {
    jest.restoreAllMocks();
    harness.gatekeeper.allow();
  });
  afterAll(() => harness.close());

  const sql = (text: string, values?: unknown[]) => harness.service.database.query(text, values);
  const start = async (agent = 'Scout') => {
    const id = randomUUID();
    expect((await harness.post('router', '/session/start', { agent, session_id: id })).status).toBe(200);
    return id;
  };
  const end = (id: string) => harness.post('router', '/session/end', { session_id: id });
  const beat = (id: string, caller: 'router' | 'Scout' | 'Supervisor' | 'nobody' = 'router') =>
    harness.post(caller, '/session/heartbeat', { session_id: id });
  /** As if so many seconds had passed since. */
  const silence = (seconds: number, ...ids: string[]) =>
    sql(`UPDATE agent_sessions SET last_seen_at = now() - $1 * interval '1 second' WHERE session_id = ANY($2)`, [
      seconds,
      ids,
    ]);
  const reap = (instance: TestService = harness.service) => instance.app.get(SessionReaper).run();
  const outcome = async (id: string) =>
    (await sql('SELECT outcome FROM agent_sessions WHERE session_id = $1', [id]))[0]?.outcome as string | null;
  const abandonments = (id: string) =>
    harness.gatekeeper.events.filter(({ action, session_id }) => action === 'session.abandoned' && session_id === id);

  describe('POST /session/heartbeat', () => {
    it('says until when a session may be silent, and counts as a sign of life', async () => {
      const id = await start();
      await silence(3000, id);
      const answer = await beat(id);
      expect([answer.status, answer.body]).toEqual([200, { session_id: id, expires_at: expect.any(String) }]);
      const ahead = Date.parse((answer.body as { expires_at: string }).expires_at) - Date.now();
      expect(ahead).toBeGreaterThan(3_590_000);
      expect(ahead).toBeLessThan(3_610_000);
      await reap();
      expect(await outcome(id)).toBeNull();
    });

    it('says 404 of one that is unknown, 409 of one that has ended, 400 and 401', async () => {
      expect((await beat(randomUUID())).body).toMatchObject({ status: 404, code: 'session_not_found' });
      const id = await start();
      await end(id);
      expect((await beat(id)).body).toMatchObject({ status: 409, code: 'session_ended' });
      expect((await harness.post('router', '/session/heartbeat', {})).body).toMatchObject({
        status: 400,
        param: 'session_id',
      });
      expect((await beat(id, 'nobody')).status).toBe(401);
    });

    it('is sent by the client of other services', async () => {
      const id = randomUUID();
      const client = harness.service.app.get(GuardianClient);
      await client.startSession({ agent: 'Scout', session_id: id });
      expect(await client.heartbeat({ session_id: id })).toMatchObject({ session_id: id });
      await silence(4000, id);
      await reap();
      const lost = { kind: 'conflict', code: 'session_abandoned' };
      await expect(client.heartbeat({ session_id: id })).rejects.toMatchObject(lost);
      await expect(client.endSession({ session_id: id })).rejects.toMatchObject(lost);
    });

    it("is an agent's own, another's with the right only", async () => {
      const [own, anothers] = [await start('Scout'), await start('Librarian')];
      expect((await beat(own, 'Scout')).status).toBe(200);
      expect((await beat(anothers, 'Scout')).status).toBe(403);
      expect((await beat(anothers, 'Supervisor')).status).toBe(200);
    });
  });

  it('are closed as abandoned after the timeout, not before, and recorded', async () => {
    const closed = await harness.metric('sessions_abandoned_total');
    const [silent, alive] = [await start(), await start()];
    await silence(3601, silent);
    await silence(3570, alive);
    expect(await reap()).toBe(1);
    expect([await outcome(silent), await outcome(alive)]).toEqual(['abandoned', null]);
    expect(await harness.event('session.abandoned', { session_id: silent })).toMatchObject({
      ghost_id: 'Scout',
      result: 'CANCELLED',
      resource: 'guardian/sessions/Scout',
      reason: `nothing was heard of session '${silent}' for 3600 seconds`,
      entities: [
        { kind: 'agent', id: 'Scout' },
        { kind: 'session', id: silent },
      ],
      metadata: { by: 'service:guardian' },
    });
    expect(await harness.metric('sessions_abandoned_total')).toBe(closed + 1);
  });

  it('cannot be ended, heard of or started again: 409 with the reason', async () => {
    const id = await start();
    await silence(4000, id);
    await reap();
    for (const answer of [await end(id), await beat(id)])
      expect([answer.status, answer.body]).toMatchObject([
        409,
        { code: 'session_abandoned', detail: expect.stringMatching(/nothing was heard of it for 3600 seconds/) },
      ]);
    const again = await harness.post('router', '/session/start', { agent: 'Scout', session_id: id });
    expect(again.body).toMatchObject({ status: 409, code: 'session_ended' });
    expect(await outcome(id)).toBe('abandoned');
  });

  it('are neither active nor completed, nor in the average', async () => {
    await harness.post('router', '/certificates', { agent: 'Averaged', ttl: '1h' });
    const ids = [await start('Averaged'), await start('Averaged'), await start('Averaged')];
    await end(ids[0]!);
    await sql(`UPDATE agent_sessions SET ended_at = started_at + interval '2 s' WHERE session_id = $1`, [ids[0]]);
    await silence(7200, ids[1]!);
    await reap();
    expect((await harness.get('router', '/stats?agent=Averaged')).body).toMatchObject({
      stats: { Averaged: { active_sessions: 1, completed_total: 1, avg_duration: 2 } },
    });
  });

  it('are closed once each and recorded once each, by two instances at once and in several batches', async () => {
    const other = await harness.beside();
    await sql(
      `INSERT INTO agent_sessions (session_id, agent, started_by, metadata, last_seen_at)
       SELECT 'many-' || i, 'Many', 'service:router', '{}', now() - interval '2 h' FROM generate_series(1, 450) i`,
    );
    const closed = await Promise.all([reap(), reap(other), reap(), reap(other)]);
    // The calls of one instance share a turn.
    expect(closed[0] + closed[1]).toBe(450);
    expect(await sql(`SELECT FROM agent_sessions WHERE agent = 'Many' AND outcome = 'abandoned'`)).toHaveLength(450);
    const events = () =>
      harness.gatekeeper.events.filter(({ action, ghost_id }) => action === 'session.abandoned' && ghost_id === 'Many');
    await waitFor('all events', () => events().length >= 450);
    await other.stop();
    await reap();
    expect(new Set(events().map(({ session_id }) => session_id)).size).toBe(450);
    expect(events()).toHaveLength(450);
  });

  it('are left to whoever is just ending them', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => start()));
    await silence(4000, ...ids);
    const [ended] = await Promise.all([Promise.all(ids.map((id) => end(id))), reap()]);
    for (const [i, answer] of ended.entries())
      expect([answer.status, await outcome(ids[i]!)]).toEqual(
        answer.status === 200 ? [200, 'succeeded'] : [409, 'abandoned'],
      );
  });

  it('stay open while the trail does not take it, but for those that it took; none is recorded twice', async () => {
    const ids = [await start(), await start(), await start()];
    await silence(4000, ...ids);
    const trail = harness.service.app.get(AuditTrail);
    const record = trail.record.bind(trail);
    let taken = 0;
    jest.spyOn(trail, 'record').mockImplementation(async (event) => {
      if (taken++ > 0) throw new ServiceError('unavailable', 'audit_unavailable', 'no');
      return record(event);
    });
    const failures = await harness.metric('reaper_failures_total');
    expect(await reap()).toBe(1);
    expect(await harness.metric('reaper_failures_total')).toBe(failures + 1);
    expect(await sql(`SELECT FROM agent_sessions WHERE session_id = ANY($1) AND ended_at IS NULL`, [ids])).toHaveLength(
      2,
    );
    jest.restoreAllMocks();
    expect(await reap()).toBe(2);
    for (const id of ids) await waitFor('its event', () => abandonments(id).length > 0);
    expect(ids.map((id) => abandonments(id).length)).toEqual([1, 1, 1]);
  });

  it('are closed by themselves, on time', async () => {
    const id = await start();
    const other = await harness.beside({ GUARDIAN_SESSION_TIMEOUT: '1s' });
    try {
      await waitFor('the reaper', async () => (await outcome(id)) === 'abandoned');
    } finally {
      await other.stop();
    }
  });

  it('wait while the database is away', async () => {
    const id = await start();
    await silence(4000, id);
    await harness.breakDatabase();
    const closed = await reap();
    await harness.mendDatabase();
    expect(closed).toBe(0);
    await waitFor('the next turn', async () => (await reap()) === 1);
    expect(await outcome(id)).toBe('abandoned');
  });
});

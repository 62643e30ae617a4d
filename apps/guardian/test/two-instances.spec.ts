import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { waitFor, type TestService } from '#testing';
import { Clock } from '../src/clock.js';
import { Harness } from './harness.js';

/** The age that an answer may have. */
const MAX_AGE_MS = 1000;

describe('two instances on one database', () => {
  let harness: Harness;
  let other: TestService;
  beforeAll(async () => {
    harness = await Harness.start();
    other = await harness.beside();
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });
  afterAll(async () => {
    await other.stop();
    await harness.close();
  });

  const sql = (text: string, values?: unknown[]) => harness.service.database.query(text, values);
  const both = () => [harness.service, other];
  const issue = (agent: string) => harness.post('router', '/certificates', { agent, ttl: '1h' });
  const validate = async (instance: TestService, agent: string) =>
    (await harness.ask(instance, 'post', '/validate', { agent })).status;
  const holds = async (instance: TestService, badge: string) =>
    (await harness.ask(instance, 'get', `/badges/Scout/${badge}`)).status;

  const until = (read: () => Promise<number>, wanted: number) =>
    waitFor(`status ${wanted}`, async () => (await read()) === wanted);
  /** Nothing grows old on the other instance: what it forgets, it forgets because of a hint. */
  const stopTime = (elapsed = performance.now()) => {
    const time = jest.spyOn(other.app.get(Clock), 'elapsed').mockReturnValue(elapsed);
    /** Until all that it has read by now is too old. */
    return { pass: () => time.mockReturnValue(elapsed + MAX_AGE_MS) };
  };
  const endListeners = () =>
    sql(
      `SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'gravitas-guardian-listen'`,
    );
  const listeners = async () =>
    (
      await sql(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gravitas-guardian-listen'
         AND query LIKE 'LISTEN%' AND state = 'idle'`,
      )
    ).length;

  it('keep what they have read', async () => {
    await issue('Kept');
    stopTime();
    const hits = async () => {
      const { text } = await harness.ask(other, 'get', '/metrics');
      return Number(/lookups_total\{cache="certificates",result="hit"\} (\d+)/.exec(text)?.[1] ?? 0);
    };
    await waitFor('the hint to be over', async () => {
      const before = await hits();
      await validate(other, 'Kept');
      return (await hits()) > before;
    });
  });

  it('refuse a certificate that was revoked on either: there at once, on the other when the hint arrives', async () => {
    await issue('Fallen');
    for (const instance of both()) expect(await validate(instance, 'Fallen')).toBe(200);
    stopTime();
    expect((await harness.delete('router', '/certificates/Fallen')).status).toBe(200);
    expect(await validate(harness.service, 'Fallen')).toBe(403);
    await until(() => validate(other, 'Fallen'), 403);
  });

  it('see at once what speaks for an agent, without any hint', async () => {
    expect(await validate(other, 'Newcomer')).toBe(403);
    await sql('ALTER TABLE certificates DISABLE TRIGGER certificates_hint');
    try {
      await issue('Newcomer');
      expect(await validate(other, 'Newcomer')).toBe(200);
    } finally {
      await sql('ALTER TABLE certificates ENABLE TRIGGER certificates_hint');
    }
  });

  it('see a badge come and go', async () => {
    await harness.put('router', '/badges/Scout/b');
    for (const instance of both()) expect(await holds(instance, 'b')).toBe(200);
    stopTime();
    await harness.delete('router', '/badges/Scout/b');
    expect(await holds(harness.service, 'b')).toBe(404);
    await until(() => holds(other, 'b'), 404);
    await harness.put('router', '/badges/Scout/b');
    expect(await holds(other, 'b')).toBe(200);
  });

  it('refuse what a revoked key has signed', async () => {
    await issue('Keyed');
    for (const instance of both()) expect(await validate(instance, 'Keyed')).toBe(200);
    const { key_id: keyId } = (await harness.get('router', '/certificates/Keyed/current')).body as { key_id: string };
    stopTime();
    const answer = await harness.post('router', `/signing-keys/${keyId}/revoke`, { reason: 'a test' });
    expect([answer.status, answer.body]).toMatchObject([200, { key_id: keyId, reason: 'a test', current: false }]);
    expect(await validate(harness.service, 'Keyed')).toBe(403);
    await until(() => validate(other, 'Keyed'), 403);
    // Whoever signs next makes the next key.
    await harness.ask(other, 'post', '/certificates', { agent: 'Keyed', ttl: '1h' });
    for (const instance of both()) expect(await validate(instance, 'Keyed')).toBe(200);
  });

  describe('where hints are lost', () => {
    it('because the connection that listens is gone: a change is seen all the same, and the connection comes back', async () => {
      await issue('Unheard');
      await harness.put('router', '/badges/Scout/unheard');
      await waitFor('both to listen', async () => (await listeners()) === 2);
      const time = stopTime();
      for (const instance of both()) expect(await validate(instance, 'Unheard')).toBe(200);
      expect(await holds(other, 'unheard')).toBe(200);
      await endListeners();
      await harness.delete('router', '/certificates/Unheard');
      await harness.delete('router', '/badges/Scout/unheard');
      time.pass();
      expect([await validate(other, 'Unheard'), await holds(other, 'unheard')]).toEqual([403, 404]);
      await waitFor('both to listen again', async () => (await listeners()) === 2);
    });

    it('because there are none: a change is seen within the age that an answer may have', async () => {
      for (const table of ['certificates', 'agent_badges'])
        await sql(`ALTER TABLE ${table} DISABLE TRIGGER ${table}_hint`);
      try {
        await issue('Silent');
        await harness.put('router', '/badges/Scout/silent');
        const time = stopTime();
        expect([await validate(other, 'Silent'), await holds(other, 'silent')]).toEqual([200, 200]);
        await harness.delete('router', '/certificates/Silent');
        await harness.delete('router', '/badges/Scout/silent');
        expect([await validate(harness.service, 'Silent'), await holds(harness.service, 'silent')]).toEqual([403, 404]);
        time.pass();
        expect([await validate(other, 'Silent'), await holds(other, 'silent')]).toEqual([403, 404]);
      } finally {
        for (const table of ['certificates', 'agent_badges'])
          await sql(`ALTER TABLE ${table} ENABLE TRIGGER ${table}_hint`);
      }
    });
  });

  it('believe no hint: a false one changes nothing', async () => {
    await issue('Steady');
    expect(await validate(other, 'Steady')).toBe(200);
    await sql(`NOTIFY guardian_changes, 'revoked: Steady'`);
    for (let i = 0; i < 5; i++) expect(await validate(other, 'Steady')).toBe(200);
  });

  it('have the same figures, whichever took the calls', async () => {
    await issue('Counted');
    for (const [i, instance] of [...both(), ...both()].entries())
      await harness.ask(instance, 'post', '/session/start', { agent: 'Counted', session_id: `counted-${i}` });
    await harness.ask(other, 'post', '/session/end', { session_id: 'counted-0' });
    await harness.ask(harness.service, 'post', '/session/end', { session_id: 'counted-1' });
    const [one, two] = await Promise.all(both().map((each) => harness.ask(each, 'get', '/stats?agent=Counted')));
    expect(one!.body).toMatchObject({ stats: { Counted: { active_sessions: 2, completed_total: 2 } } });
    expect(two!.body).toEqual(one!.body);
  });

  it('hold certificates of one agent apart: of an issue and a revocation at once, the later one counts', async () => {
    for (let round = 0; round < 5; round++) {
      await issue('Contested');
      await Promise.all([
        harness.ask(other, 'post', '/certificates/Contested/renew', {}),
        harness.delete('router', '/certificates/Contested'),
      ]);
      const rows = await sql(
        `SELECT revoked_at FROM certificates WHERE agent = 'Contested' ORDER BY LEAST(issued_at, revoked_at) DESC, serial DESC LIMIT 1`,
      );
      // A renewal that came first was revoked with the others; one that came later was refused.
      expect(rows).toMatchObject([{ revoked_at: expect.any(Date) }]);
      expect(await validate(harness.service, 'Contested')).toBe(403);
    }
  });
});

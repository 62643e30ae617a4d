import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { PostgresSink } from '#audit';
import { createPool } from '#database';
import { BEAT_SCHEMA, fence, TARGET_SCHEMA, unfence } from '#decomposition';
import { startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';
import { MonthMaintenance, type MonthMaintenanceOptions } from '../src/audit/month-maintenance.js';
import { monthName, monthOf } from '../src/audit/month.js';
import { event } from './support/events.js';

const DAY_MS = 86_400_000;
const NO_LOG = { info: () => undefined, warn: () => undefined };

describe('the months of the trail', () => {
  let service: TestService;
  let owner: pg.Client;
  let sink: PostgresSink;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
    owner = new pg.Client({ connectionString: service.database.ownerUrl, connectionTimeoutMillis: 20_000 });
    await owner.connect();
    sink = new PostgresSink(createPool(service.database.runtimeUrl, 'months-spec', 2, () => undefined));
  });
  afterAll(async () => {
    await sink.close();
    await owner.end();
    await service.close();
  });

  const maintenance = (options: Partial<MonthMaintenanceOptions>) =>
    new MonthMaintenance({
      url: service.database.ownerUrl,
      months: { ahead: 3, back: 1, retention: 0 },
      log: NO_LOG,
      ...options,
    });
  const tables = async () =>
    (
      await service.database.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '^(audit_log|event_entities)_\\d{4}' ORDER BY 1`,
      )
    ).map(({ name }) => name);
  const monthsOf = async (table: string) =>
    (await service.database.query<{ starts: Date }>(`SELECT starts FROM audit_months($1)`, [table])).map(({ starts }) =>
      starts.toISOString(),
    );
  /** What the maintenance reads of a seal, of all that the month has now. */
  const seal = (month: Date) =>
    service.database.query(
      `INSERT INTO audit_seals (month, statement, note)
       SELECT $1::date, jsonb_build_object('tenants', coalesce(jsonb_object_agg(tenant_id, jsonb_build_object('events', events)), '{}')), 'signed'
       FROM (SELECT tenant_id, count(*) AS events FROM audit_log
             WHERE timestamp >= $1::date AND timestamp < $1::date + interval '1 month' GROUP BY 1) AS counted
       ON CONFLICT (month) DO UPDATE SET statement = EXCLUDED.statement`,
      [`${monthName(month)}-01`],
    );
  /** After a run that was killed: the lock goes with the backend, a moment after the connection. */
  const gone = () =>
    waitFor('the maintenance to be gone', async () => {
      const { rowCount } = await owner.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gravitas-gatekeeper-months'`,
      );
      return rowCount === 0;
    });
  const far = (years: number) => new Date(Date.UTC(new Date().getUTCFullYear() + years, 4, 10));

  it('are the same for the events and for their entities', async () => {
    const expected = [-1, 0, 1, 2, 3].map((offset) => monthOf(new Date(), offset).toISOString());
    expect(await monthsOf('audit_log')).toEqual(expected);
    expect(await monthsOf('event_entities')).toEqual(expected);
  });

  it('are made without a scan and without an ACCESS EXCLUSIVE lock on the parent, while a writer is at it', async () => {
    const writer = new pg.Client({ connectionString: service.database.runtimeUrl, connectionTimeoutMillis: 20_000 });
    await writer.connect();
    const notices: string[] = [];
    owner.on('notice', ({ message }) => notices.push(message ?? ''));
    try {
      await writer.query('BEGIN');
      await writer.query(
        `INSERT INTO audit_log (id, tenant_id, timestamp, service, action, resource, result, reason, entities, metadata)
         VALUES (gen_random_uuid(), 't', now(), 's', 'a', 'r', 'ALLOWED', '', '[]', '{}')`,
      );
      await owner.query(`SET client_min_messages = debug1; SET lock_timeout = '15s'; SET timezone = 'Asia/Tokyo'`);
      const steps: string[] = [];
      for (;;) {
        await owner.query('BEGIN');
        const { rows } = await owner.query<{ step: string | null }>('SELECT audit_month_step($1) AS step', [far(8)]);
        const locks = await owner.query<{ mode: string }>(
          `SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('audit_log'::regclass, 'event_entities'::regclass)`,
        );
        await owner.query('COMMIT');
        expect(locks.rows.map(({ mode }) => mode)).not.toContain('AccessExclusiveLock');
        if (rows[0]?.step == null) break;
        steps.push(rows[0].step.split(' ')[0]!);
      }
      expect(steps).toEqual(['made', 'attached', 'finished', 'made', 'attached', 'finished']);
      expect(notices.filter((text) => text.includes('is implied by existing constraints'))).toHaveLength(2);
      expect((await monthsOf('audit_log')).at(-1)).toBe(monthOf(far(8)).toISOString());
    } finally {
      await writer.query('ROLLBACK').catch(() => undefined);
      await writer.end();
      await owner.query('ROLLBACK; RESET ALL');
      owner.removeAllListeners('notice');
    }
  });

  it('have the indexes of their parents, adopted, and ids that occur once whatever their time', async () => {
    const invalid = await service.database.query(
      `SELECT indexrelid::regclass FROM pg_index JOIN pg_class c ON c.oid = indexrelid
       WHERE NOT indisvalid AND c.relname ~ '^(audit|event)_'`,
    );
    expect(invalid).toEqual([]);
    const now = event();
    expect(await sink.write([now])).toEqual({ accepted: 1, duplicates: 0 });
    const again = { ...now, timestamp: new Date(Date.parse(now.timestamp) - 1).toISOString() };
    expect(await sink.write([again])).toEqual({ accepted: 0, duplicates: 1 });
    expect(await sink.write([event(), again, event()])).toEqual({ accepted: 2, duplicates: 1 });
    expect(await service.database.query('SELECT 1 FROM audit_log WHERE id = $1', [now.id])).toHaveLength(1);
  });

  it('are made once when two instances are at it', async () => {
    const made: string[] = [];
    const log = { ...NO_LOG, info: (details: object) => made.push((details as { step: string }).step) };
    const one = maintenance({ now: () => far(12), log });
    const two = maintenance({ now: () => far(12), log });
    const states = await Promise.all([one.run(), two.run(), one.run(), two.run()]);
    expect(states.some(({ done }) => done)).toBe(true);
    await one.run();
    expect(new Set(made).size).toBe(made.length);
    expect(made).toHaveLength(5 * 6);
  });

  it('go only when they are sealed, and a DETACH that was interrupted is finished', async () => {
    const now = far(16);
    await maintenance({ now: () => now }).run();
    const later = monthOf(now, 6);
    const first = monthOf(now, -1);
    const old = event({ timestamp: first.toISOString() });
    await sink.write([old]);
    const retiring = (options: Partial<MonthMaintenanceOptions> = {}) =>
      maintenance({ now: () => later, months: { ahead: 3, back: 1, retention: 6 }, ...options });
    await retiring().run();
    const name = `audit_log_${monthName(first).replace('-', '_')}`;
    expect(await tables()).toContain(name);

    await seal(first);
    const reader = new pg.Client({ connectionString: service.database.notaryUrl!, connectionTimeoutMillis: 20_000 });
    await reader.connect();
    try {
      await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await reader.query('SELECT count(*) FROM audit_log');
      const cut = retiring()
        .run()
        .catch((error: unknown) => error);
      const pid = await waitFor('the DETACH to wait for the reader', async () => {
        const [found] = await service.database.query<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE audit_log DETACH%' AND wait_event_type = 'Lock'
           AND datname = current_database()`,
        );
        return found?.pid;
      });
      const pending = () => service.database.query('SELECT 1 FROM pg_inherits WHERE inhdetachpending');
      await waitFor('it to be pending', async () => (await pending()).length === 1);
      await service.database.query('SELECT pg_terminate_backend($1)', [pid]);
      expect(await cut).toBeInstanceOf(Error);
      await gone();
      expect(await sink.write([event({ timestamp: later.toISOString() })])).toEqual({ accepted: 1, duplicates: 0 });
      await reader.query('COMMIT');
      await retiring().run();
      expect(await pending()).toEqual([]);
    } finally {
      await reader.end();
    }
    expect((await tables()).filter((table) => table.endsWith(monthName(first).replace('-', '_')))).toEqual([]);
  });

  it('stay when events came after their seal, before the DETACH or while it waits, until they are sealed again', async () => {
    const now = far(18);
    const first = monthOf(now, -1);
    const name = `audit_log_${monthName(first).replace('-', '_')}`;
    await maintenance({ now: () => now }).run();
    const late = (): Promise<unknown> => sink.write([event({ timestamp: first.toISOString() })]);
    let reason: string | undefined;
    const retire = async (onStep?: MonthMaintenanceOptions['onStep']): Promise<boolean> => {
      const note = (details: { months?: Record<string, string> }): void =>
        void (reason = details.months?.[monthName(first)] ?? reason);
      const log = { ...NO_LOG, info: note };
      const months = { ahead: 3, back: 1, retention: 6 };
      await maintenance({ now: () => monthOf(now, 6), months, log, ...(onStep && { onStep }) }).run();
      return !(await monthsOf('audit_log')).includes(first.toISOString());
    };
    await late();
    await seal(first);
    await late();
    expect(await retire()).toBe(false);
    expect(reason).toMatch(/^sealed with 1 events, and has 2: .*audit:seal -- --month/);

    await seal(first);
    const steps: string[] = [];
    const meanwhile = async (step: string): Promise<void> => {
      if (step.includes(name)) steps.push(step);
      if (step.includes(`DETACH PARTITION ${name}`)) await late();
    };
    expect(await retire(meanwhile)).toBe(false);
    expect(steps).toEqual([`ALTER TABLE audit_log DETACH PARTITION ${name} CONCURRENTLY`]);
    expect(
      await service.database.query('SELECT 1 FROM audit_log WHERE timestamp >= $1 AND timestamp < $2', [
        first,
        monthOf(first, 1),
      ]),
    ).toHaveLength(3);

    await seal(first);
    expect(await retire()).toBe(true);
    expect(await tables()).not.toContain(name);
  });

  it('stay while the trail moves to another database, from the beginning to the end of it', async () => {
    const now = far(14);
    await maintenance({ now: () => now }).run();
    const first = monthOf(now, -1);
    await seal(first);
    const name = `audit_log_${monthName(first).replace('-', '_')}`;
    const told: string[] = [];
    const log = { ...NO_LOG, info: (_details: object, message: string) => void told.push(message) };
    const months = { ahead: 3, back: 1, retention: 6 };
    const retire = () => maintenance({ now: () => monthOf(now, 6), months, log }).run();
    const pool = new pg.Pool({ connectionString: service.database.superuserUrl, max: 1 });
    try {
      // As `create` leaves the side that is left, and the switch the other one.
      await pool.query(BEAT_SCHEMA);
      await retire();
      await pool.query(TARGET_SCHEMA);
      const fenced = [{ schema: 'public', name: 'audit_log', partitioned: true }];
      await fence(pool, fenced, { reason: 'it moves' });
      const client = await pool.connect();
      await unfence(client, fenced);
      client.release();
      await retire();
      expect(await tables()).toContain(name);
      expect(told.filter((text) => text.includes('waits until the move'))).toHaveLength(2);
    } finally {
      await pool.query('DROP FUNCTION decomposition.fence() CASCADE');
      await pool.end();
    }
    await retire();
    expect(await tables()).not.toContain(name);
    await service.database.query('DROP SCHEMA decomposition CASCADE');
  });

  it('24 of them pass while events arrive and the maintenance is killed at every step: no insert fails', async () => {
    const start = far(20);
    let clock = start;
    let stop = false;
    const failures: unknown[] = [];
    const written = new Map<string, string>();
    await maintenance({ now: () => clock }).run();
    /** The month that each writer is at. */
    const at = [0, 0];
    const write = async (writer: number): Promise<void> => {
      while (!stop) {
        const month = (at[writer] = monthOf(clock).getTime());
        const events = Array.from({ length: 5 }, (_, i) =>
          event({
            timestamp: new Date(month + ((i * 7) % 28) * DAY_MS + Math.floor(Math.random() * 1000)).toISOString(),
            ghost_id: 'Rotation',
          }),
        );
        const result = await sink.write(events).catch((error: unknown) => ({ error }));
        if (!('accepted' in result) || result.accepted !== 5) failures.push(result);
        else for (const { id, timestamp } of events) written.set(id, timestamp);
        await sleep(2);
      }
    };
    const writers = [write(0), write(1)];
    let kills = 0;
    const hit = new Set<string>();
    try {
      for (let month = 1; month <= 24; month++) {
        clock = new Date(monthOf(start, month).getTime() + DAY_MS);
        await waitFor('the writers', () => Math.min(...at) >= monthOf(clock, -1).getTime());
        await seal(monthOf(clock, -4));
        const newest = `make ${monthName(monthOf(clock, 3))}`;
        const hitNow = new Set<string>();
        let made = 0;
        const log = { ...NO_LOG, info: (details: object) => (made += 'step' in details ? 1 : 0) };
        const months = { ahead: 3, back: 1, retention: 3 };
        for (let killed = true; killed;) {
          killed = false;
          const sent: Promise<unknown>[] = [];
          const onStep = async (what: string, client: pg.Client): Promise<void> => {
            // Each step once: those of a new month have one name, and are told apart by what was done before.
            const step = what === newest ? `${what} after ${made}` : what;
            if (killed || hitNow.has(step)) return;
            killed = true;
            hitNow.add(step);
            hit.add(what.replace(/_?\d{4}[-_]\d{2}/, ''));
            const pid = (client as unknown as { processID: number }).processID;
            const kill = service.database.query('SELECT pg_terminate_backend($1)', [pid]).catch(() => undefined);
            sent.push(kill);
            // Before the statement, and somewhere in it.
            if (++kills % 2 === 0) await kill;
          };
          await maintenance({ now: () => clock, months, log, onStep })
            .run()
            .catch(() => undefined);
          await Promise.all(sent);
          await sleep(5);
          await gone();
        }
        const { done, monthsAhead } = await maintenance({ now: () => clock, months }).run();
        expect({ month, done, monthsAhead }).toEqual({ month, done: true, monthsAhead: 3 });
      }
    } finally {
      stop = true;
      await Promise.all(writers);
    }
    expect(failures).toEqual([]);
    // A kill that comes late finds the step done, or all of them: some months have less.
    expect(kills).toBeGreaterThan(24 * 3);
    expect([...hit].filter((step) => !step.endsWith('FINALIZE')).sort()).toEqual([
      'ALTER TABLE audit_log DETACH PARTITION audit_log CONCURRENTLY',
      'ALTER TABLE event_entities DETACH PARTITION event_entities CONCURRENTLY',
      'DROP TABLE audit_log',
      'DROP TABLE event_entities',
      'make ',
      'release quarantined events',
    ]);
    const oldest = monthOf(clock, -3).toISOString();
    const kept = [...written].filter(([, timestamp]) => timestamp >= oldest).map(([id]) => id);
    const found = await service.database.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM audit_log WHERE id = ANY($1)',
      [kept],
    );
    expect(found[0]!.count).toBe(kept.length);
    const [{ count } = { count: -1 }] = await service.database.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM audit_quarantine',
    );
    expect(count).toBe(0);
    const names = (await tables()).filter((name) => name.slice(-7) >= monthName(start).replace('-', '_'));
    const expected = [-3, -2, -1, 0, 1, 2, 3].map((offset) => monthName(monthOf(clock, offset)).replace('-', '_'));
    expect(names).toEqual(['audit_log', 'event_entities'].flatMap((table) => expected.map((m) => `${table}_${m}`)));
  }, 300_000);
});

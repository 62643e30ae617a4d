import { afterEach, describe, expect, it } from '@jest/globals';
import { startSecondServer, waitFor, type SecondServer } from '#testing';
import { type SplitError } from '../src/core/errors.js';
import { type Side } from '../src/core/side.js';
import { openStream } from '../src/core/stream/open-stream.js';
import { ReplicationStream } from '../src/core/stream/replication/replication-stream.js';
import { smallMove, type SmallMove } from './support/small-move.js';

const DDL = `
  CREATE TABLE thing (id int PRIMARY KEY, label text, size numeric(8,2), made timestamptz DEFAULT now());
  CREATE TABLE reading (id int, at date, value float8, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE reading_1 PARTITION OF reading FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE reading_2 PARTITION OF reading FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`;

const TABLES = ['thing', 'reading'];
const RUNNING = new AbortController().signal;

describe('ReplicationStream', () => {
  const open: SmallMove[] = [];
  const servers: SecondServer[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.drop();
    for (const one of servers.splice(0)) await one.stop();
  });

  const make = async (options: Partial<Parameters<typeof smallMove>[0]> = {}): Promise<SmallMove> => {
    const small = await smallMove({ ddl: DDL, tables: TABLES, ...options });
    open.push(small);
    return small;
  };
  const content = async (small: SmallMove, side: Side): Promise<unknown> => {
    const { rows } = await small[side].query(
      `SELECT (SELECT json_agg(t ORDER BY id) FROM thing t) AS thing, (SELECT json_agg(r ORDER BY id, at) FROM reading r) AS reading`,
    );
    return rows[0];
  };
  const expectEqual = async (small: SmallMove): Promise<void> =>
    expect(await content(small, 'target')).toEqual(await content(small, 'source'));
  const left = async (small: SmallMove): Promise<unknown[]> => {
    const found: { what: string }[] = [];
    for (const side of ['source', 'target'] as const) {
      const { rows } = await small[side].query<{ what: string }>(
        `SELECT 'publication ' || pubname AS what FROM pg_publication
         UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database()
         UNION ALL SELECT 'subscription ' || subname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid
           WHERE datname = current_database()
         UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE '%replay%'
         UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE proname LIKE 'replay%'
         UNION ALL SELECT 'beat ' || side FROM decomposition.beats`,
      );
      found.push(...rows);
    }
    return found;
  };

  it.each(['source', 'target'] as const)('carries what happens on the %s to the other side', async (from) => {
    const small = await make();
    const other = from === 'source' ? 'target' : 'source';
    const stream = openStream(small.move, from);
    await stream.capture();
    // The target is fenced, but for such sessions.
    const writer = await small[from].connect();
    try {
      await writer.query('SET session_replication_role = replica');
      await writer.query(`INSERT INTO thing SELECT n, 'label ' || n, n / 3.0 FROM generate_series(1, 500) n;
        INSERT INTO reading SELECT n, date '2026-01-10' + n, n / 7.0 FROM generate_series(1, 40) n`);
      await stream.start();
      await writer.query(`UPDATE thing SET label = 'new' WHERE id % 7 = 0; DELETE FROM thing WHERE id % 11 = 0;
        UPDATE thing SET id = id + 1000 WHERE id < 5; UPDATE reading SET at = '2026-02-20' WHERE id < 4; DELETE FROM reading WHERE id = 9`);
      await stream.catchUp(20_000, RUNNING);
      await expectEqual(small);
      await writer.query('TRUNCATE reading');
      await stream.catchUp(20_000, RUNNING);
    } finally {
      writer.release(true);
    }
    expect((await small[other].query('SELECT FROM reading')).rowCount).toBe(0);
    await stream.end();
    expect(await left(small)).toEqual([]);
  });

  it('keeps what happened between its capture and its start, and may be asked for each again', async () => {
    const small = await make();
    const stream = openStream(small.move, 'source');
    await stream.capture();
    await small.source.query(`INSERT INTO thing VALUES (1, 'early')`);
    await openStream(small.reopen(), 'source').capture();
    await stream.start();
    await stream.start();
    await stream.catchUp(20_000, RUNNING);
    await expectEqual(small);
    await stream.stop();
    await stream.stop();
    await small.source.query(`INSERT INTO thing VALUES (2, 'while stopped')`);
    await stream.start();
    await stream.catchUp(20_000, RUNNING);
    await expectEqual(small);
    await stream.end();
    await stream.end();
  });

  it('tells its lag: none, seconds that grow while nothing can be applied, and null when it is stopped', async () => {
    const small = await make();
    const stream = openStream(small.move, 'source');
    expect(await stream.lag()).toMatchObject({ seconds: null });
    await stream.capture();
    expect(await stream.lag()).toMatchObject({ seconds: null });
    await stream.start();
    await stream.catchUp(20_000, RUNNING);
    const none = await waitFor('no lag', async () => [await stream.lag()].find(({ seconds }) => seconds === 0));
    expect(none).toMatchObject({ pendingUnit: 'bytes' });
    // In the way of the row that comes.
    await small.target.query(
      `BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO thing VALUES (1, 'in the way'); COMMIT`,
    );
    await small.source.query(`INSERT INTO thing VALUES (1, 'right')`);
    const first = await waitFor('a lag', async () => (await stream.lag()).seconds);
    const second = await waitFor('a longer lag', async () => {
      const { seconds } = await stream.lag();
      return seconds! > first && seconds;
    });
    expect(second).toBeGreaterThan(first);
    const trouble = async (): Promise<string> => {
      const error: unknown = await stream.catchUp(100, RUNNING).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'timeout', next: expect.stringContaining('log of the target') });
      return (error as SplitError).message;
    };
    await waitFor('the error to be counted', async () => (await trouble()).includes('apply_error_count'), 20_000);
    await small.target.query(
      `BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM thing WHERE id = 1; COMMIT`,
    );
    await stream.catchUp(20_000, RUNNING);
    await expectEqual(small);
    await stream.stop();
    expect(await stream.lag()).toMatchObject({ seconds: null });
  });

  it('begins after what both sides have, and sends nothing back where it came from', async () => {
    const small = await make();
    const forward = openStream(small.move, 'source');
    const reverse = openStream(small.move, 'target');
    await forward.capture();
    await forward.start();
    await reverse.capture();
    await small.source.query(
      `INSERT INTO thing SELECT n, 'one' FROM generate_series(1, 100) n; DELETE FROM thing WHERE id > 90`,
    );
    await forward.catchUp(20_000, RUNNING);
    // Whatever comes back would be refused here, and hold the reverse stream up.
    await reverse.start();
    await reverse.catchUp(20_000, RUNNING);
    await expectEqual(small);
    await forward.stop();
    await expect(reverse.skipToNow()).rejects.toMatchObject({ code: 'refused' });
    await reverse.stop();
    const apart = `BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO thing VALUES (500, 'known to both', 1, '2026-01-01'); COMMIT`;
    for (const pool of [small.source, small.target]) await pool.query(apart);
    await reverse.skipToNow();
    // As a worker that ends has it for a moment longer.
    const { rows } = await small.target.query<{ name: string }>(
      `SELECT 'pg_' || oid AS name FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    const worker = await small.target.connect();
    const skipped = await Promise.allSettled([
      worker.query('SELECT pg_replication_origin_session_setup($1)', [rows[0]!.name]).then(() => forward.skipToNow()),
      waitFor('the origin to be asked for', async () => {
        const asks = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_replication_origin_advance%'`;
        return (await small.target.query(asks)).rowCount;
      }).finally(() => worker.release(true)),
    ]);
    expect(skipped.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    await reverse.start();
    await small.target.query(
      `BEGIN; SET LOCAL session_replication_role = replica; UPDATE thing SET label = 'two' WHERE id < 10; COMMIT`,
    );
    await reverse.catchUp(20_000, RUNNING);
    await expectEqual(small);
    for (const stream of [forward, reverse]) await stream.end();
    expect(await left(small)).toEqual([]);
  });

  it('does not go back behind what it skipped when the servers crash', async () => {
    const server = await startSecondServer();
    servers.push(server);
    const small = await make({ servers: { source: server.url, target: server.url } });
    const stream = openStream(small.move, 'source');
    await stream.capture();
    const apart = `BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO thing VALUES (1, 'known to both', 1, '2026-01-01'); COMMIT`;
    for (const pool of [small.source, small.target]) await pool.query(apart);
    await stream.skipToNow();
    await server.crash();
    await stream.start();
    await small.source.query(`INSERT INTO thing VALUES (2, 'new', 1, '2026-01-01')`);
    await stream.catchUp(30_000, RUNNING);
    await expectEqual(small);
  });

  it('is told to stop while it waits', async () => {
    const small = await make();
    const stream = openStream(small.move, 'source');
    await stream.capture();
    const stop = new AbortController();
    const waiting = stream.catchUp(20_000, stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('waits for a long transaction to end before it says that it captures, unless it is told to stop', async () => {
    const stop = new AbortController();
    const small = await make({ open: { signal: stop.signal } });
    const long = await small.source.connect();
    const again = small.reopen();
    const second = new ReplicationStream(again, 'source');
    let done: Promise<void>;
    try {
      await long.query(`BEGIN; INSERT INTO thing VALUES (1, 'long')`);
      const capture = openStream(small.move, 'source').capture();
      const capturing = capture.catch((error: unknown) => error);
      await waitFor(
        'a slot that waits',
        async () =>
          (await again.databases.source.query(`SELECT FROM pg_replication_slots WHERE database = current_database()`))
            .rowCount,
      );
      stop.abort();
      expect(await capturing).toMatchObject({ code: 'interrupted' });
      done = second.capture();
      done.catch(() => undefined);
      await waitFor(
        'the second one to wait',
        async () =>
          (
            await again.databases.source.query(
              `SELECT FROM pg_replication_slots WHERE database = current_database() AND active`,
            )
          ).rowCount,
      );
      expect(await second.isCapturing()).toBe(false);
      await long.query('COMMIT');
    } finally {
      long.release(true);
    }
    await done;
    expect(await second.isCapturing()).toBe(true);
  });

  it.each([
    ['ALTER TABLE thing REPLICA IDENTITY NOTHING', 'public.thing|thing'],
    ['ALTER TABLE reading_2 REPLICA IDENTITY NOTHING', 'reading_2'],
    ['ALTER TABLE thing DROP CONSTRAINT thing_pkey; ALTER TABLE thing ADD PRIMARY KEY (id) DEFERRABLE', 'thing'],
  ])('refuses a table whose updates it would make fail: %s', async (ddl, name) => {
    const small = await make();
    await small.source.query(ddl);
    await expect(openStream(small.move, 'source').capture()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(new RegExp(`changes of (${name}) cannot`)),
    });
    expect((await small.source.query('SELECT FROM pg_publication')).rowCount).toBe(0);
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { startSecondServer, waitFor, type SecondServer } from '#testing';
import { copy, COPY_STEPS, type CopyStep } from '../src/core/copy/copy.js';
import { type Move } from '../src/core/move.js';
import { openStream } from '../src/core/stream/open-stream.js';
import { ReplicationStream } from '../src/core/stream/replication/replication-stream.js';
import { smallMove, type SmallMove, type SmallMoveOptions } from './support/small-move.js';
import { contentOf } from './support/content.js';

const DDL = `
  CREATE TYPE mood AS ENUM ('bad', 'good');
  CREATE DOMAIN short AS text CHECK (length(value) < 9);
  CREATE TYPE point3 AS (x int, y int, z text);
  CREATE TABLE thing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text, size numeric(8,2), made timestamptz DEFAULT now(), raw bytea,
    doc jsonb, tags text[], mood mood, name short, took interval, twice numeric GENERATED ALWAYS AS (size * 2) STORED);
  CREATE TABLE odd (a text COLLATE "C", b uuid, "Mixed Case" point3, moods mood[], PRIMARY KEY (b, a));
  CREATE TABLE reading (id int, at date, value float8, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE reading_1 PARTITION OF reading FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE reading_2 PARTITION OF reading FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  CREATE TABLE empty (id int PRIMARY KEY)`;
const DATA = `
  INSERT INTO thing (label, size, raw, doc, tags, mood, name, took)
    SELECT CASE WHEN n % 9 > 0 THEN 'ä,"\\' || n END, n / 7.0, decode(md5(n::text), 'hex'), jsonb_build_object('n', n), ARRAY['a', NULL, n::text],
      CASE n % 2 WHEN 0 THEN 'bad' ELSE 'good' END::mood, 'n' || n, n * interval '1 hour' FROM generate_series(1, 2000) n;
  INSERT INTO odd SELECT chr(97 + n % 26) || '''\\', gen_random_uuid(), ROW(n, NULL::int, 'z'::text)::point3, ARRAY['good']::mood[] FROM generate_series(1, 500) n;
  INSERT INTO reading SELECT n, date '2026-01-01' + n % 58, n / 3.0 FROM generate_series(1, 1000) n`;
const TABLES = ['thing', 'odd', 'reading', 'empty'];

describe('copy', () => {
  const open: SmallMove[] = [];
  const servers: SecondServer[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.drop();
    for (const server of servers.splice(0)) await server.stop();
  });

  const make = async (options: Partial<SmallMoveOptions> = {}): Promise<SmallMove> => {
    const settings = { copy: { chunk_rows: 150 } };
    const small = await smallMove({ ddl: DDL, data: DATA, tables: TABLES, settings, ...options });
    open.push(small);
    return small;
  };
  const expectEqual = async (small: SmallMove, move: Move = small.move): Promise<void> => {
    await openStream(move, 'source').catchUp(30_000, move.signal);
    const [source, target] = await Promise.all([contentOf(move, 'source'), contentOf(move, 'target')]);
    expect(target).toEqual(source);
  };

  it('brings every row over as it is, fires no trigger there, and leaves the target following', async () => {
    const small = await make();
    const { move, source, target } = small;
    await target.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON thing FOR EACH ROW EXECUTE FUNCTION refuse()`);
    const report = await copy(move);
    expect(report).toMatchObject({
      phase: 'in_step',
      step: 'in_step',
      rows: 3500,
      tables: [
        { table: 'public.thing', rows: 2000, chunks: 14 },
        { table: 'public.odd', rows: 500, chunks: 4 },
        { table: 'public.reading', rows: 1000, chunks: 7 },
        { table: 'public.empty', rows: 0, chunks: 1 },
      ],
    });
    await expectEqual(small);
    await source.query(
      `UPDATE thing SET label = 'later' WHERE id % 3 = 0; INSERT INTO empty VALUES (1); DELETE FROM odd`,
    );
    await expectEqual(small);
    const { rows } = await target.query<{ rows: number }>(
      `SELECT reltuples AS rows FROM pg_class WHERE relname = 'thing'`,
    );
    expect(rows[0]!.rows).toBe(2000);
    expect((await target.query(`SELECT FROM pg_trigger WHERE tgname LIKE '%replay%'`)).rowCount).toBe(0);
    expect(await copy(move)).toMatchObject({ phase: 'in_step', rows: 3500 });
    await expect(move.state.change({ phase: 'switched', writes: 'target' })).resolves.toBeDefined();
    await expect(copy(move)).rejects.toMatchObject({ code: 'refused' });
  });

  it.each(COPY_STEPS.slice(0, -1))('goes on in another run where one ended after "%s"', async (step) => {
    const small = await make({ data: `${DATA}; DELETE FROM thing WHERE id > 400` });
    const change = (n: number): Promise<unknown> =>
      small.source
        .query(`UPDATE thing SET label = 'run ${n}' WHERE id % 5 = ${n}; DELETE FROM reading WHERE id % 7 = ${n};
        INSERT INTO thing (label) SELECT 'new ' || n FROM generate_series(1, 200) n; INSERT INTO empty VALUES (${n});
        UPDATE odd SET a = 'x' || a WHERE a < 'd'; UPDATE reading SET at = date '2026-01-01' + (id + ${n}) % 58 WHERE id % 11 = 2`);
    const finished: string[] = [];
    const finish = async (): Promise<void> => void finished.push('finish');
    const first = await copy(small.move, { until: step, finish });
    expect(first).toMatchObject({ step, phase: 'copying' });
    await change(1);
    const again = small.reopen();
    await change(2);
    expect(await copy(again, { finish })).toMatchObject({ phase: 'in_step' });
    expect(finished.length).toBe(step === 'finished' ? 2 : 1);
    await change(3);
    await expectEqual(small, again);
    const { rows } = await small.target.query<{ step: CopyStep }>(
      `SELECT step FROM decomposition.journal WHERE verb = 'copy' ORDER BY id`,
    );
    expect(rows.map((row) => row.step)).toEqual([...COPY_STEPS.slice(0, COPY_STEPS.indexOf(step) + 1), ...COPY_STEPS]);
  });

  it('stops between two chunks when it is told to, and keeps those that are done', async () => {
    const stop = new AbortController();
    const steps: string[] = [];
    const progress = {
      note: () => undefined,
      at: (step: string, done: number) => {
        steps.push(step);
        if (step === 'copy public.thing' && done >= 600) stop.abort();
      },
    };
    const small = await make({ open: { signal: stop.signal, progress } });
    await expect(copy(small.move)).rejects.toMatchObject({ code: 'interrupted' });
    const again = small.reopen();
    const done = async (): Promise<string[]> => {
      const { rows } = await again.databases.target.query<{ chunk: string }>(
        `SELECT table_name || place || done_at AS chunk FROM decomposition.chunks WHERE done_at IS NOT NULL ORDER BY done_at`,
      );
      return rows.map(({ chunk }) => chunk);
    };
    const before = await done();
    expect(before.length).toBeLessThan(8);
    expect(steps).toContain('plan public.odd');
    await copy(again);
    expect((await done()).slice(0, before.length)).toEqual(before);
    await expectEqual(small, again);
  });

  it('loses no row that gets a key which was copied already, nor one that takes the key of another', async () => {
    const stop = new AbortController();
    const progress = {
      note: () => undefined,
      at: (step: string) => void (step.startsWith('copy ') && stop.abort()),
    };
    const small = await make({
      ddl: `CREATE TABLE doc (id int PRIMARY KEY, n int, body text); ALTER TABLE doc ALTER body SET STORAGE EXTERNAL`,
      data: `INSERT INTO doc SELECT n, n, repeat(md5(n::text), 100) FROM generate_series(1, 100) n; DELETE FROM doc WHERE id < 10`,
      tables: ['doc'],
      settings: { copy: { chunk_rows: 20, workers: 1 } },
      open: { signal: stop.signal, progress },
    });
    await expect(copy(small.move)).rejects.toMatchObject({ code: 'interrupted' });
    // 1: from a chunk that is not copied yet into one that is; on, and back. 2: out of the copied one. 3: two that trade places through a third.
    await small.source.query(`UPDATE doc SET id = 1 WHERE id = 90`);
    await small.source.query(`UPDATE doc SET n = -1 WHERE id = 1`);
    await small.source.query(`UPDATE doc SET id = 2 WHERE id = 91; UPDATE doc SET id = 291 WHERE id = 2`);
    await small.source.query(`UPDATE doc SET id = 92 + 200 WHERE id = 12`);
    await small.source.query(
      `UPDATE doc SET id = 1000 WHERE id = 50; UPDATE doc SET id = 50 WHERE id = 51; UPDATE doc SET id = 51 WHERE id = 1000`,
    );
    await small.source.query(
      `UPDATE doc SET id = 3 WHERE id = 60; INSERT INTO doc VALUES (60, 0, repeat('other', 1000)); DELETE FROM doc WHERE id = 3`,
    );
    await small.source.query(
      `UPDATE doc SET id = 4 WHERE id = 61; UPDATE doc SET id = 61 WHERE id = 62; UPDATE doc SET id = 62 WHERE id = 4`,
    );
    const again = small.reopen();
    await copy(again);
    await expectEqual(small, again);
    const { rows } = await small.target.query(`SELECT FROM decomposition.rekeyed WHERE settled_at IS NOT NULL`);
    expect(rows.length).toBeGreaterThan(5);
  });

  it('lets the stream work off what the source keeps for it before it is too much', async () => {
    const notes: string[] = [];
    // What others write on a server counts as kept, too.
    const server = await startSecondServer();
    servers.push(server);
    const small = await make({
      servers: { source: server.url, target: server.url },
      settings: { copy: { chunk_rows: 150, max_retained_wal: 1_500_000 } },
      open: { progress: { note: (text) => void notes.push(text), at: () => undefined } },
    });
    await copy(small.move, { until: 'planned' });
    await small.source
      .query(`UPDATE thing SET label = repeat('long', 300); UPDATE odd SET a = 'y' || a; DELETE FROM reading WHERE id % 2 = 0;
      INSERT INTO thing (label) SELECT 'new' FROM generate_series(1, 300)`);
    await copy(small.move);
    expect(notes.join()).toContain('keeps much log');
    await expectEqual(small);
  });

  it('begins anew when the changes since its beginning are lost', async () => {
    const small = await make();
    await copy(small.move, { until: 'copied' });
    const { names } = new ReplicationStream(small.move, 'source');
    await small.source.query('SELECT pg_drop_replication_slot($1)', [names.stream]);
    await small.source.query('DELETE FROM thing WHERE id % 2 = 0; UPDATE reading SET value = 0');
    const unfinished: string[] = [];
    await copy(small.move, { unfinish: async () => void unfinished.push('once') });
    expect(unfinished).toEqual(['once']);
    await expectEqual(small);
  });

  it('waits while the source has more busy sessions than the plan allows', async () => {
    const notes: string[] = [];
    const small = await make({
      settings: { copy: { chunk_rows: 500, max_active_sessions: 12 } },
      open: { progress: { note: (text) => void notes.push(text), at: () => undefined } },
    });
    await copy(small.move, { until: 'planned' });
    const others = await Promise.all(Array.from({ length: 16 }, () => small.reopen().databases.source.connect()));
    const busy = others.map((client) =>
      client.query(`SET application_name = 'app'; SELECT pg_sleep(60)`).catch((error: { code: string }) => error.code),
    );
    await waitFor('busy sessions', async () => {
      const { rowCount } = await small.source.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'app' AND datname = current_database() AND state = 'active'`,
      );
      return rowCount === 16;
    });
    const copying = copy(small.move, { until: 'copied' });
    try {
      await waitFor('a note', () => notes.some((text) => text.includes('busy sessions')));
      expect((await small.source.query('SELECT FROM empty')).rowCount).toBe(0);
      const { rowCount } = await small.target.query('SELECT FROM decomposition.chunks WHERE done_at IS NOT NULL');
      expect(rowCount).toBe(0);
    } finally {
      await small.source.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'app' AND datname = current_database()`);
      const ended = await Promise.all(busy);
      for (const client of others) client.release(true);
      expect(ended).toEqual(Array(16).fill('57014'));
      await copying;
    }
  });

  it('passes by rows that dual writes have brought already, and nothing else that is in the way', async () => {
    const small = await make({ service: { strategy: 'dual-write' } });
    const nothing = async (): Promise<void> => undefined;
    const stream = {
      ...{
        from: 'source' as const,
        capture: nothing,
        start: nothing,
        skipToNow: nothing,
        catchUp: nothing,
        stop: nothing,
      },
      ...{ end: nothing, lag: async () => ({ seconds: 0, pending: 0, pendingUnit: 'changes' as const }) },
      changes: { read: async function* () {}, forget: nothing },
    };
    await small.target.query(`BEGIN; SET LOCAL decomposition.dual = 'on';
      INSERT INTO thing (id, label) OVERRIDING SYSTEM VALUE VALUES (160, 'half'), (5000, 'half');
      INSERT INTO reading VALUES (7, '2026-02-27', -1); COMMIT`);
    await copy(small.move, { openStream: () => stream });
    const { rows } = await small.target.query<{ id: string }>(
      `SELECT id FROM thing WHERE label = 'half' UNION ALL SELECT count(*) FROM thing UNION ALL SELECT count(*) FROM reading`,
    );
    expect(rows.map(({ id }) => Number(id))).toEqual([160, 5000, 2001, 1001]);
  });

  it('does not go on where a row is on the target that nothing brought there', async () => {
    const small = await make();
    await small.target.query(`BEGIN; SET LOCAL session_replication_role = replica;
      INSERT INTO thing (id, label) OVERRIDING SYSTEM VALUE VALUES (160, 'whose?'); COMMIT`);
    await expect(copy(small.move)).rejects.toMatchObject({
      code: 'different',
      message: expect.stringContaining('(id)=(160)'),
    });
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { openStream } from '../src/core/stream/open-stream.js';
import { type Stream } from '../src/core/stream/stream.js';
import { smallMove, type SmallMove, type SmallMoveOptions } from './support/small-move.js';

const DDL = `
  CREATE TABLE thing (label text, id int, body text, PRIMARY KEY (id));
  CREATE TABLE pair (note text, a text, b timestamptz, PRIMARY KEY (b, a)) PARTITION BY RANGE (b);
  CREATE TABLE pair_1 PARTITION OF pair FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE pair_2 PARTITION OF pair FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`;
const RUNNING = new AbortController().signal;

describe('the change log of a replication stream', () => {
  const open: SmallMove[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.drop();
  });

  const capture = async (
    options: Partial<SmallMoveOptions> = {},
  ): Promise<{ small: SmallMove; stream: Stream; read: (signal?: AbortSignal) => Promise<string[]> }> => {
    const small = await smallMove({ ddl: DDL, tables: ['thing', 'pair'], ...options });
    open.push(small);
    const stream = openStream(small.move, 'source');
    await stream.capture();
    const read = async (signal = RUNNING): Promise<string[]> => {
      const found: string[] = [];
      for await (const { table, keys, all } of stream.changes.read(signal))
        found.push(...(all ? [`${table} all`] : []), ...keys.map((key) => `${table} ${key.join('|')}`));
      return found;
    };
    return { small, stream, read };
  };

  it('tells the keys of rows that were inserted, updated and deleted, of a partitioned table as a whole', async () => {
    const { small, read } = await capture();
    expect(await read()).toEqual([]);
    await small.source.query(`INSERT INTO thing VALUES ('x', 7), ('y', 8)`);
    await small.source.query(`UPDATE thing SET label = 'z' WHERE id = 7`);
    await small.source.query(`DELETE FROM thing WHERE id = 8`);
    await small.source.query(`INSERT INTO pair VALUES ('n', 'ä|', '2026-01-05 10:00+02')`);
    expect(await read()).toEqual([
      'public.thing 7',
      'public.thing 8',
      'public.thing 7',
      'public.thing 8',
      'public.pair 2026-01-05 08:00:00+00|ä|',
    ]);
  });

  it('tells the old and the new key of a row that got another one, also across partitions', async () => {
    const { small, read } = await capture({
      data: `INSERT INTO thing VALUES ('x', 7); INSERT INTO pair VALUES ('n', 'a', '2026-01-05')`,
    });
    await small.source.query(`UPDATE thing SET id = 9`);
    await small.source.query(`UPDATE pair SET b = '2026-02-05'`);
    expect(await read()).toEqual([
      'public.thing 7',
      'public.thing 9',
      'public.pair 2026-01-05 00:00:00+00|a',
      'public.pair 2026-02-05 00:00:00+00|a',
    ]);
  });

  it('tells the key where it is a long text that did not change', async () => {
    const { small, read } = await capture({
      ddl: 'CREATE TABLE long (id text PRIMARY KEY, n int, a text, b text, c text)',
      tables: ['long'],
    });
    const key = Array.from({ length: 1200 }, (_, n) => String.fromCharCode(97 + ((n * n * 7 + n) % 26))).join('');
    await small.source.query('ALTER TABLE long ALTER id SET STORAGE EXTERNAL');
    await small.source.query(`INSERT INTO long VALUES ($1, 1, repeat('a', 900), repeat('b', 900), repeat('c', 900))`, [
      key,
    ]);
    await small.source.query('UPDATE long SET n = 2');
    expect(await read()).toEqual([`public.long ${key}`, `public.long ${key}`]);
  });

  it('says that all of a table may have changed when it is emptied', async () => {
    const { small, read } = await capture();
    await small.source.query('TRUNCATE thing, pair');
    expect((await read()).sort()).toEqual(['public.pair all', 'public.thing all']);
  });

  it('knows the keys of a table whose whole rows are its identity', async () => {
    const { small, read } = await capture({
      ddl: `${DDL}; ALTER TABLE thing REPLICA IDENTITY FULL`,
      data: `INSERT INTO thing VALUES ('x', 7)`,
    });
    await small.source.query(`UPDATE thing SET label = 'y'`);
    await small.source.query(`UPDATE thing SET id = 9`);
    expect(await read()).toEqual(['public.thing 7', 'public.thing 7', 'public.thing 9']);
  });

  it('tells the same again until it is told to forget, and nothing of what was not read', async () => {
    const { small, stream, read } = await capture();
    await small.source.query(`INSERT INTO thing VALUES ('x', 1)`);
    expect(await read()).toEqual(['public.thing 1']);
    expect(await read()).toEqual(['public.thing 1']);
    await small.source.query(`INSERT INTO thing VALUES ('x', 2)`);
    await stream.changes.forget();
    expect(await read()).toEqual(['public.thing 2']);
    await stream.changes.forget();
    await stream.changes.forget();
    expect(await read()).toEqual([]);
  });

  it('has what was committed without waiting for the disk', async () => {
    const { small, read } = await capture();
    for (let id = 1; id <= 20; id += 1) {
      await small.source.query(
        `BEGIN; SET LOCAL synchronous_commit = off; INSERT INTO thing VALUES ('x', ${id}); COMMIT`,
      );
      expect((await read()).at(-1)).toBe(`public.thing ${id}`);
    }
  });

  it('reads more than fits a page, and may be left early', async () => {
    const { small, stream, read } = await capture();
    await small.source.query(`INSERT INTO thing SELECT 'x', n, repeat('long', 500) FROM generate_series(1, 12000) n`);
    for await (const { keys } of stream.changes.read(RUNNING)) {
      expect(keys.length).toBeLessThanOrEqual(5000);
      break;
    }
    // What was not read to its end is not forgotten.
    await stream.changes.forget();
    expect((await read()).map((text) => Number(text.split(' ')[1]))).toEqual(
      Array.from({ length: 12_000 }, (_, n) => n + 1),
    );
    await waitFor('no reader to be left', async () => {
      const { rows } = await small.source.query(
        `SELECT FROM pg_stat_activity WHERE query LIKE '%FROM log' AND state = 'idle in transaction' AND datname = current_database()`,
      );
      return rows.length === 0;
    });
  });

  it('lets two read at the same time, and stops when it is told to', async () => {
    const { small, read } = await capture();
    await small.source.query(`INSERT INTO thing SELECT 'x', n FROM generate_series(1, 6000) n`);
    const [one, two] = await Promise.all([read(), read()]);
    expect(one).toHaveLength(6000);
    expect(two).toEqual(one);
    await expect(read(AbortSignal.abort())).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('leaves out what the other stream brought', async () => {
    const { small, stream } = await capture();
    await stream.start();
    const reverse = openStream(small.move, 'target');
    await reverse.capture();
    await small.source.query(`INSERT INTO thing VALUES ('x', 1)`);
    await stream.catchUp(20_000, RUNNING);
    for await (const change of reverse.changes.read(RUNNING)) expect(change).toBeUndefined();
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { waitFor } from '#testing';
import { FENCED, fence, fencedTables, removeFence, unfence } from '../src/core/fence/fence.js';
import { type Table } from '../src/core/catalogue/table.js';
import { smallMove, type SmallMove } from './support/small-move.js';

const DDL = `
  CREATE TABLE item (id int PRIMARY KEY, amount int);
  CREATE TABLE entry (day int, id int, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
  CREATE TABLE entry_1 PARTITION OF entry FOR VALUES FROM (0) TO (10);
  CREATE TABLE entry_2 PARTITION OF entry FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
  CREATE TABLE entry_2_1 PARTITION OF entry_2 FOR VALUES FROM (0) TO (100)`;

let small: SmallMove;
let source: pg.Pool;
let tables: Table[];
beforeAll(async () => {
  small = await smallMove({
    ddl: DDL,
    data: `INSERT INTO item SELECT n, n FROM generate_series(1, 20) n; INSERT INTO entry SELECT n, n FROM generate_series(1, 19) n`,
    tables: ['item', 'entry'],
  });
  source = small.source;
  tables = await small.move.tables('source');
});
afterAll(() => small?.drop());
beforeEach(open);

async function open(): Promise<void> {
  const client = await source.connect();
  await unfence(client, tables);
  client.release();
}

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error: { code?: string }) => error.code,
  );
}

const close = (options: Partial<Parameters<typeof fence>[2]> = {}): Promise<void> =>
  fence(source, tables, { reason: 'for a test', timeoutMs: 20_000, ...options });

const WRITES = [
  'INSERT INTO item VALUES (100, 1)',
  'UPDATE item SET amount = 0',
  'DELETE FROM item WHERE false',
  'TRUNCATE item',
  'MERGE INTO item USING (SELECT 1 AS id) s ON s.id = item.id WHEN MATCHED THEN DELETE',
  'INSERT INTO item VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET amount = 2',
  'WITH gone AS (DELETE FROM item RETURNING *) SELECT * FROM gone',
  'INSERT INTO entry VALUES (1, 99)',
  'UPDATE entry SET day = day + 1 WHERE day < 15',
  'TRUNCATE entry',
  'INSERT INTO entry_1 VALUES (1, 99)',
  'DELETE FROM entry_2',
  'UPDATE entry_2_1 SET day = 11',
  'TRUNCATE entry_1',
  'TRUNCATE entry_2_1',
];

describe('a fenced table', () => {
  it.each(WRITES)('refuses %s, from a superuser, too', async (sql) => {
    await close();
    expect(await codeOf(source.query(sql))).toBe(FENCED);
    await open();
    expect(await codeOf(source.query(`BEGIN; ${sql}; ROLLBACK`))).toBeUndefined();
  });

  it('refuses COPY', async () => {
    await close();
    // The server answers before it wants any data.
    expect(await codeOf(source.query('COPY item FROM stdin'))).toBe(FENCED);
  });

  it('refuses what goes through views, functions and foreign keys', async () => {
    await source.query(`
      CREATE VIEW items AS SELECT * FROM item;
      CREATE FUNCTION touch() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'UPDATE item SET amount = 1';
      CREATE TABLE box (id int PRIMARY KEY); INSERT INTO box VALUES (1);
      ALTER TABLE item ADD COLUMN box int REFERENCES box ON DELETE CASCADE; UPDATE item SET box = 1`);
    await close();
    for (const sql of ['UPDATE items SET amount = 1', 'SELECT touch()', 'DELETE FROM box'])
      expect(await codeOf(source.query(sql))).toBe(FENCED);
    await open();
    await source.query('DROP VIEW items; DROP FUNCTION touch(); ALTER TABLE item DROP COLUMN box; DROP TABLE box');
  });

  it('refuses rows of partitions made later', async () => {
    await close();
    await source.query('CREATE TABLE entry_3 PARTITION OF entry FOR VALUES FROM (20) TO (30)');
    expect(await codeOf(source.query('INSERT INTO entry VALUES (21, 1)'))).toBe(FENCED);
    expect(await codeOf(source.query('INSERT INTO entry_3 VALUES (21, 1)'))).toBe(FENCED);
    await open();
    await source.query('INSERT INTO entry_3 VALUES (21, 1); DROP TABLE entry_3');
  });

  it('lets the replica role through, and half of a dual write where that is allowed', async () => {
    const half = `BEGIN; SET LOCAL decomposition.dual = 'on'; UPDATE item SET amount = 3 WHERE id = 3; UPDATE entry SET id = id; COMMIT`;
    await close();
    await source.query('BEGIN; SET LOCAL session_replication_role = replica; UPDATE item SET amount = 3; ROLLBACK');
    expect(await codeOf(source.query(half))).toBe(FENCED);
    await close({ dual: true });
    expect(await codeOf(source.query(half))).toBeUndefined();
    expect(await codeOf(source.query(`BEGIN; SET LOCAL decomposition.dual = 'on'; TRUNCATE item; COMMIT`))).toBe(
      FENCED,
    );
    await close({ dual: false });
    expect(await codeOf(source.query(half))).toBe(FENCED);
  });

  it('is told, opened, closed again, and freed of all that made it so', async () => {
    expect(await fencedTables(source, tables)).toEqual([]);
    await close();
    await close();
    expect((await fencedTables(source, tables)).map(({ name }) => name)).toEqual(['item', 'entry']);
    await open();
    await open();
    expect(await fencedTables(source, tables)).toEqual([]);
    await close();
    expect(await fencedTables(source, tables)).toHaveLength(2);
    const client = await source.connect();
    await removeFence(client, tables);
    client.release();
    expect((await source.query(`SELECT FROM pg_trigger WHERE tgname LIKE 'decomposition%'`)).rowCount).toBe(0);
  });
});

describe('closing', () => {
  it('waits for a transaction that has written', async () => {
    const client = await source.connect();
    await client.query('BEGIN; UPDATE entry_1 SET id = id');
    const closing = close();
    try {
      await waitFor('the fence to wait', async () => {
        const sql = `SELECT FROM pg_locks WHERE NOT granted AND relation = 'entry_1'::regclass`;
        return (await source.query(sql)).rowCount;
      });
      expect(await fencedTables(source, tables)).toEqual([]);
    } finally {
      await client.query('COMMIT');
      client.release();
      await closing;
    }
    expect(await fencedTables(source, tables)).toHaveLength(2);
  });

  it('gives up on a long transaction, and leaves nothing', async () => {
    const client = await source.connect();
    await client.query('BEGIN; UPDATE item SET amount = 5 WHERE id = 5');
    try {
      await expect(close({ timeoutMs: 400, lockTimeoutMs: 100 })).rejects.toMatchObject({ code: 'timeout' });
      expect(await fencedTables(source, tables)).toEqual([]);
      await source.query('UPDATE entry SET id = id');
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it('is undone by what fails within', async () => {
    const within = async (): Promise<void> => {
      throw new Error('not now');
    };
    await expect(close({ within })).rejects.toThrow('not now');
    expect(await fencedTables(source, tables)).toEqual([]);
  });

  it('stops waiting when the run is told to stop', async () => {
    const client = await source.connect();
    await client.query('BEGIN; UPDATE item SET amount = 5 WHERE id = 5');
    const stop = new AbortController();
    const closing = close({ timeoutMs: 20_000, lockTimeoutMs: 50, signal: stop.signal });
    stop.abort();
    await expect(closing).rejects.toThrow();
    await client.query('ROLLBACK');
    client.release();
  });

  it('leaves no write in between: each of 8 writers commits before, or is refused', async () => {
    const committed: number[] = [];
    let refused = 0;
    let next = 1000;
    let goingOn = true;
    const writer = async (): Promise<void> => {
      const client = await source.connect();
      while (goingOn) {
        const id = (next += 1);
        try {
          await client.query('BEGIN');
          await client.query('INSERT INTO item VALUES ($1, 0)', [id]);
          await client.query('INSERT INTO entry VALUES (5, $1)', [id]);
          await client.query('COMMIT');
          committed.push(id);
        } catch (error) {
          await client.query('ROLLBACK');
          client.release();
          if ((error as { code?: string }).code !== FENCED) throw error;
          refused += 1;
          return;
        }
      }
      client.release();
    };
    const busy = await smallPool();
    const written = async (): Promise<{ id: number }[]> =>
      (await busy.query<{ id: number }>('SELECT id FROM item WHERE id > 1000 ORDER BY id')).rows;
    const writers = Promise.all(Array.from({ length: 8 }, writer));
    let rows: { id: number }[];
    try {
      await waitFor('some writes', () => committed.length > 50);
      await fence(busy, tables, { reason: 'for a test', timeoutMs: 20_000 });
      rows = await written();
      await writers;
    } finally {
      goingOn = false;
      await writers;
    }
    const after = await written();
    expect(refused).toBe(8);
    // What was there when the fence was up is all there ever is, and all that was acknowledged.
    expect(after).toEqual(rows);
    expect(rows.map(({ id }) => id)).toEqual(committed.toSorted((a, b) => a - b));
  });

  /** Of another run: the writers take all connections of the first. */
  async function smallPool(): Promise<pg.Pool> {
    return small.reopen().databases.source;
  }
});

describe('opening', () => {
  it('is not held up by readers, nor holds them up', async () => {
    await close();
    const reader = await source.connect();
    await reader.query('BEGIN; SELECT count(*) FROM item; SELECT count(*) FROM entry');
    await open();
    await source.query('UPDATE item SET amount = amount');
    await source.query('UPDATE entry SET id = id');
    await close();
    expect((await reader.query('SELECT FROM item')).rowCount).toBeGreaterThan(0);
    await reader.query('COMMIT');
    reader.release();
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase, waitFor, type TestDatabase } from '#testing';
import { copyFrom } from './copy-from.js';
import { copyOut } from './copy-out.js';

const OUT = 'COPY sample TO STDOUT (FORMAT binary)';
const IN = 'COPY other FROM STDIN (FORMAT binary)';

describe('copyOut and copyFrom', () => {
  let database: TestDatabase;
  let source: pg.Client;
  let target: pg.Client;
  beforeAll(async () => {
    database = await createTestDatabase('copyout');
    [source, target] = [0, 1].map(() => new pg.Client({ connectionString: database.superuserUrl })) as [
      pg.Client,
      pg.Client,
    ];
    for (const client of [source, target]) {
      client.on('error', () => undefined);
      await client.connect();
    }
    await source.query(`CREATE TABLE sample (n int PRIMARY KEY, label text);
      CREATE TABLE other (LIKE sample INCLUDING ALL);
      INSERT INTO sample SELECT n, repeat(md5(n::text), 1 + n % 40) FROM generate_series(1, 20000) n`);
  });
  beforeEach(() => target.query('TRUNCATE other'));
  afterAll(async () => {
    await source.end();
    await target.end();
    await database.drop();
  });

  const hash = async (table: string) =>
    (await target.query<{ hash: string }>(`SELECT md5(string_agg(t::text, ',' ORDER BY n)) AS hash FROM ${table} t`))
      .rows[0]!.hash;
  const usable = async (client: pg.Client) => (await client.query<{ one: number }>('SELECT 1 AS one')).rows[0]!.one;

  it('carries a table from one connection to another', async () => {
    expect(await copyFrom(target, IN, copyOut(source, OUT))).toBe(20_000);
    expect(await hash('other')).toBe(await hash('sample'));
  });

  it('gives buffers of a bounded size that stay as they are, and the number of rows at the end', async () => {
    const reader = copyOut(source, 'COPY (SELECT n, label FROM sample ORDER BY n) TO STDOUT');
    const buffers: Buffer[] = [];
    let result = await reader.next();
    while (!result.done) {
      buffers.push(result.value);
      result = await reader.next();
    }
    expect(result.value).toBe(20_000);
    expect(Math.max(...buffers.map(({ length }) => length))).toBeLessThanOrEqual(128 * 1024);
    const lines = Buffer.concat(buffers).toString().trimEnd().split('\n');
    expect(lines).toHaveLength(20_000);
    expect(lines.map((line) => Number(line.split('\t')[0]))).toEqual(lines.map((_, n) => n + 1));
  });

  it('gives a row that is larger than a buffer, and rows after it', async () => {
    const sql = `COPY (SELECT * FROM (VALUES (1, 'a'), (2, repeat('x', 5000000)), (3, 'b')) v) TO STDOUT`;
    const buffers: Buffer[] = [];
    for await (const buffer of copyOut(source, sql)) buffers.push(buffer);
    const lines = Buffer.concat(buffers).toString().split('\n');
    expect(lines.map(({ length }) => length)).toEqual([3, 5_000_002, 3, 0]);
  });

  it('leaves PostgreSQL waiting while the reader is slow, instead of keeping what comes', async () => {
    const reader = copyOut(source, `COPY (SELECT repeat('x', 1000) FROM generate_series(1, 200000)) TO STDOUT`);
    await reader.next();
    const waiting = () =>
      database.query(`SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'ClientWrite'`, [
        (source as pg.Client & { processID: number }).processID,
      ]);
    await waitFor('PostgreSQL to wait for us', async () => (await waiting()).length > 0);
    const before = process.memoryUsage().external;
    await sleep(100);
    expect(process.memoryUsage().external - before).toBeLessThan(20_000_000);
    let bytes = 0;
    for await (const { length } of reader) bytes += length;
    expect(bytes).toBeGreaterThan(199_000_000);
  });

  it('leaves the connection usable when the reader stops early', async () => {
    for await (const buffer of copyOut(source, OUT)) {
      expect(buffer.length).toBeGreaterThan(0);
      break;
    }
    expect(await usable(source)).toBe(1);
  });

  it('sends nothing when it is ended before it began', async () => {
    const reader = copyOut(source, 'COPY nowhere TO STDOUT');
    await reader.return!();
    expect(await reader.next()).toEqual({ done: true, value: 0 });
    expect(await usable(source)).toBe(1);
  });

  it.each([
    ['a statement that PostgreSQL refuses', 'COPY nowhere TO STDOUT', '42P01'],
    ['one that fails half way', 'COPY (SELECT 1 / (5000 - n) FROM generate_series(1, 9000) n) TO STDOUT', '22012'],
  ])('throws what PostgreSQL says to %s', async (_name, sql, code) => {
    const read = async () => {
      for await (const buffer of copyOut(source, sql)) expect(buffer.length).toBeGreaterThan(0);
    };
    await expect(read()).rejects.toMatchObject({ code });
    expect(await usable(source)).toBe(1);
  });

  it.each(['SELECT n FROM sample', 'COPY other FROM STDIN', ''])('refuses what is no COPY TO: "%s"', async (sql) => {
    const outcome = copyOut(source, sql).next();
    if (sql === '') expect(await outcome).toEqual({ done: true, value: 0 });
    else await expect(outcome).rejects.toThrow('expected COPY ... TO STDOUT');
    expect(await usable(source)).toBe(1);
  });

  it('throws when the connection breaks in the middle, also while the socket is paused', async () => {
    const doomed = new pg.Client({ connectionString: database.superuserUrl });
    doomed.on('error', () => undefined);
    await doomed.connect();
    const { pid } = (await doomed.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!;
    const reader = copyOut(doomed, `COPY (SELECT repeat('x', 1000) FROM generate_series(1, 200000)) TO STDOUT`);
    await reader.next();
    await database.query('SELECT pg_terminate_backend($1)', [pid]);
    const read = async () => {
      for await (const buffer of reader) expect(buffer.length).toBeGreaterThan(0);
    };
    await expect(read()).rejects.toThrow(/terminat/);
    await doomed.end();
  });

  it('frees both connections when the target refuses a row', async () => {
    await target.query('ALTER TABLE other ADD CONSTRAINT small CHECK (n < 100)');
    await expect(copyFrom(target, IN, copyOut(source, OUT))).rejects.toMatchObject({ code: '23514' });
    await target.query('ALTER TABLE other DROP CONSTRAINT small');
    expect(await usable(source)).toBe(1);
    expect(await hash('other')).toBeNull();
  });

  it('frees both connections when the target refuses while the source gives nothing yet', async () => {
    const sql =
      'COPY (SELECT n, pg_sleep(CASE n WHEN 40000 THEN 0.3 ELSE 0 END)::text FROM generate_series(1, 40001) n) TO STDOUT';
    const refusing = `COPY other FROM STDIN WHERE n / (n - 1) > 0`;
    await expect(copyFrom(target, refusing, copyOut(source, sql))).rejects.toMatchObject({ code: '22012' });
    expect(await usable(source)).toBe(1);
  });

  it('writes nothing when the source fails half way', async () => {
    const failing = 'COPY (SELECT n, label FROM sample WHERE 1 / (20000 - n) >= 0) TO STDOUT (FORMAT binary)';
    await expect(copyFrom(target, IN, copyOut(source, failing))).rejects.toMatchObject({ code: '22012' });
    expect(await hash('other')).toBeNull();
    expect([await usable(source), await usable(target)]).toEqual([1, 1]);
  });

  it('takes any chunks, such as of text', async () => {
    expect(await copyFrom(target, 'COPY other FROM STDIN', [Buffer.from('1\ta\n2'), Buffer.from('\tb\n')])).toBe(2);
  });
});

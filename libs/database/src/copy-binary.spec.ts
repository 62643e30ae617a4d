import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '#testing';
import { copyChunks, type CopyRow } from './copy-binary.js';
import { copyInto } from './copy-into.js';

const TARGET = {
  table: 'sample',
  columns: {
    n: 'int4',
    id: 'uuid',
    label: 'text',
    at: 'timestamptz',
    doc: 'jsonb',
    score: 'float8',
    big: 'int8',
    flag: 'bool',
  },
} as const;

describe('copyInto', () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await createTestDatabase('copy');
    client = new pg.Client({ connectionString: database.ownerUrl });
    await client.connect();
    await client.query(
      'CREATE TABLE sample (n int4, id uuid, label text, at timestamptz, doc jsonb, score float8, big int8, flag bool, CHECK (n < 1000000))',
    );
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('writes any values so that PostgreSQL reads the same', async () => {
    const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
    const row = fc.record({
      id: fc.uuid(),
      label: fc.option(text),
      at: fc.date({ min: new Date('1900-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }),
      doc: fc.option(fc.dictionary(text, fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null)))),
      score: fc.option(fc.double({ noNaN: true })),
      big: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      flag: fc.option(fc.boolean()),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (rows) => {
        await client.query('TRUNCATE sample');
        // In the order of the columns, or by their names in any order.
        const values = rows.map((r, n): CopyRow => {
          return n % 2 ? { ...r, n } : [n, r.id, r.label, r.at, r.doc, r.score, r.big, r.flag];
        });
        expect(await copyInto(client, TARGET, values)).toBe(rows.length);
        const { rows: read } = await client.query<Record<string, unknown>>('SELECT * FROM sample ORDER BY n');
        read.forEach((got, n) => {
          const sent = rows[n]!;
          expect({
            ...got,
            big: got.big === null ? null : BigInt(got.big as string),
            score: got.score === 0 ? 0 : got.score,
          }).toEqual(
            // An object without a prototype, as the generator makes them, is equal to one with; -0 is stored as it is and read as 0.
            { n, ...sent, doc: sent.doc && { ...sent.doc }, score: sent.score === 0 ? 0 : sent.score },
          );
        });
      }),
      { numRuns: 40 },
    );
  });

  it('keeps microseconds that a Date would lose', async () => {
    await client.query('TRUNCATE sample');
    await copyInto(client, TARGET, [[1, null, null, '2026-11-20T10:00:00.123456+02:00', null, null, null, null]]);
    const { rows } = await client.query<{ at: string }>(
      `SELECT to_char(at AT TIME ZONE 'UTC', 'HH24:MI:SS.US') AS at FROM sample`,
    );
    expect(rows[0]!.at).toBe('08:00:00.123456');
  });

  const usable = async () => (await client.query('SELECT 1 FROM sample')).rowCount;
  const row = (n: number, label: unknown): CopyRow => [n, null, label as string, null, null, null, null, null];

  it('writes all rows or none, and leaves the connection usable', async () => {
    await client.query('TRUNCATE sample');
    const label = 'x'.repeat(200_000);
    await expect(copyInto(client, TARGET, [row(1, label), row(1_000_000, label)])).rejects.toMatchObject({
      code: '23514',
    });
    expect(await usable()).toBe(0);
  });

  it('stops sending a large batch that PostgreSQL refuses at its first row', async () => {
    await client.query('TRUNCATE sample');
    const label = 'x'.repeat(1_000_000);
    let asked = 0;
    const rows = Array.from({ length: 200 }, (_, n): CopyRow => {
      return {
        n: n === 0 ? 1_000_000 : n,
        get label() {
          asked++;
          return label;
        },
      };
    });
    await expect(copyInto(client, TARGET, rows)).rejects.toMatchObject({ code: '23514' });
    expect(await usable()).toBe(0);
    expect(asked).toBeLessThan(rows.length);
  });

  it('forgets a batch in which a later value does not fit its column, and leaves the connection usable', async () => {
    await client.query('TRUNCATE sample');
    const label = 'x'.repeat(200_000);
    const rows = [row(1, label), row(2, label), row(3, 5)];
    await expect(copyInto(client, TARGET, rows)).rejects.toThrow('expected text, got number');
    expect(await usable()).toBe(0);
    expect(await copyInto(client, TARGET, [row(1, label)])).toBe(1);
  });

  it('lets others have the event loop while it encodes', async () => {
    await client.query('TRUNCATE sample');
    const rows = Array.from({ length: 20_000 }, (_, n) => row(n, 'x'.repeat(500)));
    let turns = 0;
    let copying = true;
    const count = () => {
      turns++;
      if (copying) setImmediate(count);
    };
    setImmediate(count);
    expect(await copyInto(client, TARGET, rows)).toBe(20_000);
    copying = false;
    expect(turns).toBeGreaterThan(100);
  });

  it('ends by the time limit of a query while it waits for a lock, and writes nothing when it gets it', async () => {
    const hasty = new pg.Client({ connectionString: database.ownerUrl, query_timeout: 1000 });
    await hasty.connect();
    const release = await database.lockTable('sample');
    try {
      await expect(copyInto(hasty, TARGET, [row(7, 'too late')])).rejects.toThrow('Query read timeout');
      await release();
      const select = { text: `SELECT FROM sample WHERE label = 'too late'`, query_timeout: 20_000 };
      const { rows } = await hasty.query(select);
      expect(rows).toEqual([]);
    } finally {
      await release();
      await hasty.end();
    }
  });

  it('does nothing without rows', async () => {
    expect(await copyInto(client, TARGET, [])).toBe(0);
  });

  it.each([
    ['a UUID', [1, 'nonsense', null, null, null, null, null, null]],
    ['a time', [1, null, null, 'yesterday', null, null, null, null]],
    ['text', [1, null, 5, null, null, null, null, null]],
    ['as many values as columns', [1]],
  ])('throws a TypeError for what is not %s', async (_name, values) => {
    await expect(copyInto(client, TARGET, [values])).rejects.toThrow(TypeError);
  });

  it.each([
    ['int4', 2 ** 31],
    ['int8', 2n ** 63n],
    ['int8', 1.5],
  ] as const)('throws a RangeError for %s %s instead of writing another number', (type, value) => {
    expect(() => [...copyChunks({ value: type }, [[value]])]).toThrow(expect.objectContaining({ name: 'RangeError' }));
  });
});

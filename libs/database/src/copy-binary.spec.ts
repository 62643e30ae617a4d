import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '#testing';
import { toMicroseconds } from './copy-binary.js';
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
        const values = rows.map((r, n) => [n, r.id, r.label, r.at, r.doc, r.score, r.big, r.flag]);
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

  it('writes all rows or none, and leaves the connection usable', async () => {
    await client.query('TRUNCATE sample');
    const row = (n: number) => [n, null, 'x'.repeat(200_000), null, null, null, null, null];
    await expect(copyInto(client, TARGET, [row(1), row(1_000_000)])).rejects.toMatchObject({ code: '23514' });
    expect((await client.query('SELECT 1 FROM sample')).rowCount).toBe(0);
  });

  it('does nothing without rows', async () => {
    expect(await copyInto(client, TARGET, [])).toBe(0);
  });

  it.each([
    ['a UUID', [1, 'nonsense', null, null, null, null, null, null]],
    ['a time', [1, null, null, 'yesterday', null, null, null, null]],
    ['text', [1, null, 5, null, null, null, null, null]],
    ['as many values as columns', [1]],
  ])('throws a TypeError for what is not %s', async (_name, row) => {
    await expect(copyInto(client, TARGET, [row])).rejects.toThrow(TypeError);
  });
});

describe('toMicroseconds', () => {
  it('agrees with Date on milliseconds, before and after the epoch', () => {
    fc.assert(
      fc.property(
        fc.date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') }),
        (date) => {
          expect(toMicroseconds(date.toISOString())).toBe(BigInt(date.getTime()) * 1000n);
        },
      ),
    );
  });
});

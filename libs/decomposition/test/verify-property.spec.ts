import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { verify } from '../src/core/verify/verify.js';
import { found, movedInStep, plant, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

type Row = [number, string, string | null];

describe('verify, any two tables', () => {
  let small: SmallMove;
  beforeAll(async () => {
    small = await movedInStep({ ddl: 'CREATE TABLE t (a int, b text, v text, PRIMARY KEY (a, b))', tables: ['t'] });
  });
  afterAll(() => small.drop());

  const rows = fc.uniqueArray(
    fc.tuple(
      fc.integer({ min: -4, max: 4 }),
      fc.constantFrom('', 'a', 'B', 'é', '/'),
      fc.option(fc.constantFrom('', '1', 'NULL')),
    ),
    { selector: ([a, b]) => `${a} ${b}`, maxLength: 30 },
  );
  const fill = (data: readonly Row[]): string =>
    `DELETE FROM t; INSERT INTO t SELECT a, b, v FROM json_to_recordset('${JSON.stringify(
      data.map(([a, b, v]) => ({ a, b, v })),
    )}') AS r (a int, b text, v text)`;

  it('finds exactly what is not in both, and by repairing makes them equal', async () => {
    await fc.assert(
      fc.asyncProperty(rows, rows, fc.integer({ min: 1, max: 12 }), async (one, other, rangeRows) => {
        await plant(small.source, fill(one));
        await plant(small.target, fill(other));
        const of = (data: readonly Row[]) => new Map(data.map(([a, b, v]) => [`${a}/${b}`, v]));
        const [right, wrong] = [of(one), of(other)];
        const expected = [
          ...[...right.keys()].filter((key) => !wrong.has(key)).map((key) => `missing t ${key}`),
          ...[...wrong.keys()].filter((key) => !right.has(key)).map((key) => `extra t ${key}`),
          ...[...right].filter(([key, v]) => wrong.has(key) && wrong.get(key) !== v).map(([key]) => `changed t ${key}`),
        ].sort();
        const options = { stream: stillStream(), ranges: { rows: rangeRows } };
        // The source's own changes are for the log to tell; here nobody keeps one.
        expect(found(await verify(small.move, { ...options, full: true }))).toEqual(expected);
        expect(await verify(small.move, { ...options, repair: true })).toMatchObject({
          clean: true,
          repaired: expected.length,
        });
        expect(await verify(small.move, options)).toMatchObject({ clean: true, tables: [{ rows: one.length }] });
      }),
      { numRuns: 25 },
    );
  });
});

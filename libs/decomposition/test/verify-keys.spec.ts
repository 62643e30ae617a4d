import { afterEach, describe, expect, it } from '@jest/globals';
import { verify } from '../src/core/verify/verify.js';
import { found, movedInStep, plant, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

describe('verify, keys', () => {
  let small: SmallMove | undefined;
  afterEach(async () => {
    await small?.drop();
    small = undefined;
  });

  interface Case {
    name: string;
    ddl: string;
    /** On the target: one row missing, one changed, one too many below all others. */
    faults: string;
    differences: string[];
  }

  const timed = (n: number): string => `2025-01-01 00:00:${String(n).padStart(2, '0')}+00`;
  const cases: Case[] = [
    {
      name: 'text, in the order of the database',
      ddl: `CREATE TABLE t (k text PRIMARY KEY, v text);
            INSERT INTO t SELECT chr(97 + i % 26) || CASE WHEN i % 2 = 0 THEN 'É' ELSE '-' END || i, i FROM generate_series(1, 3000) i`,
      faults: `DELETE FROM t WHERE v = '77'; UPDATE t SET v = 'x' WHERE v = '78'; INSERT INTO t VALUES ('', 'below')`,
      differences: ['changed t aÉ78', 'extra t ', 'missing t z-77'],
    },
    {
      name: 'text in another collation',
      ddl: `CREATE TABLE t (k text COLLATE "und-x-icu" PRIMARY KEY, v text);
            INSERT INTO t SELECT CASE WHEN i % 2 = 0 THEN 'K' ELSE 'k' END || i, i FROM generate_series(1, 3000) i`,
      faults: `DELETE FROM t WHERE v = '77'; UPDATE t SET v = 'x' WHERE v = '78'; INSERT INTO t VALUES ('A', 'below')`,
      differences: ['changed t K78', 'extra t A', 'missing t k77'],
    },
    {
      name: 'uuid',
      ddl: `CREATE TABLE t (k uuid PRIMARY KEY, v int); INSERT INTO t SELECT md5(i::text)::uuid, i FROM generate_series(1, 3000) i`,
      faults: `DELETE FROM t WHERE v = 1; UPDATE t SET v = 0 WHERE v = 2;
               INSERT INTO t VALUES ('00000000-0000-0000-0000-000000000000', 9)`,
      differences: [
        'changed t c81e728d-9d4c-2f63-6f06-7f89cc14862c',
        'extra t 00000000-0000-0000-0000-000000000000',
        'missing t c4ca4238-a0b9-2382-0dcc-509a6f75849b',
      ],
    },
    {
      name: 'a time and a number, quoted names, in partitions',
      ddl: `CREATE TABLE t ("At ""it""" timestamptz, "order" numeric(10,2), v text, PRIMARY KEY ("At ""it""", "order"))
              PARTITION BY RANGE ("At ""it""");
            CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('2025-01-01 00:00:30+00');
            CREATE TABLE t2 PARTITION OF t FOR VALUES FROM ('2025-01-01 00:00:30+00') TO (MAXVALUE);
            INSERT INTO t SELECT '2025-01-01'::timestamptz + (i % 60) * interval '1 s', i / 4.0, i FROM generate_series(1, 3000) i`,
      faults: `DELETE FROM t WHERE v = '62'; UPDATE t SET v = 'x' WHERE v = '99';
               INSERT INTO t VALUES ('2024-12-31', -1, 'below')`,
      differences: [
        `changed t ${timed(39)}/24.75`,
        'extra t 2024-12-31 00:00:00+00/-1.00',
        `missing t ${timed(2)}/15.50`,
      ],
    },
    {
      name: 'an enum, that every database may sort in its own way',
      ddl: `CREATE TYPE mood AS ENUM ('b', 'a'); CREATE TABLE t (m mood, n int, v text, PRIMARY KEY (m, n));
            INSERT INTO t SELECT CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END::mood, i, i FROM generate_series(1, 3000) i`,
      faults: `DELETE FROM t WHERE v = '62'; UPDATE t SET v = 'x' WHERE v = '99'; INSERT INTO t VALUES ('a', -1, 'below')`,
      differences: ['changed t b/99', 'extra t a/-1', 'missing t a/62'],
    },
    {
      name: 'bytes, beside an empty text and none',
      ddl: `CREATE TABLE t (k bytea PRIMARY KEY, v text);
            INSERT INTO t SELECT decode(md5(i::text), 'hex'), nullif(i::text, '2') FROM generate_series(1, 3000) i`,
      faults: `DELETE FROM t WHERE v = '1'; UPDATE t SET v = '' WHERE v IS NULL; INSERT INTO t VALUES ('', NULL)`,
      differences: [
        'changed t \\xc81e728d9d4c2f636f067f89cc14862c',
        'extra t \\x',
        'missing t \\xc4ca4238a0b923820dcc509a6f75849b',
      ],
    },
  ];

  it.each(cases)('finds rows by $name', async ({ ddl, faults, differences }) => {
    small = await movedInStep({ ddl, tables: ['t'] });
    const run = () => verify(small!.move, { stream: stillStream(), ranges: { rows: 250 } });
    expect(await run()).toMatchObject({ clean: true, difference_count: 0 });
    // Again, by what is stored: nothing is left to compare.
    expect((await run()).tables[0]).toMatchObject({ rows: 3000, compared: 0 });
    await plant(small.target, faults);
    expect(found(await run())).toEqual(differences);
  });

  it('compares as a whole what the two servers sort differently', async () => {
    small = await movedInStep({
      ddl: 'CREATE TABLE t (k text PRIMARY KEY, v int)',
      tables: ['t'],
    });
    await small.target.query('DROP TABLE t; CREATE TABLE t (k text COLLATE "und-x-icu" PRIMARY KEY, v int)');
    const fill = `INSERT INTO t SELECT CASE WHEN i % 2 = 0 THEN 'K' ELSE 'k' END || i, i FROM generate_series(1, 50000) i`;
    for (const pool of [small.source, small.target]) await pool.query(fill);
    const run = () => verify(small!.move, { stream: stillStream(), ranges: { rows: 250 } });
    expect((await run()).tables[0]).toMatchObject({ rows: 50_000, ranges: 1, differences: 0 });
    await plant(small.target, `DELETE FROM t WHERE v = 41; UPDATE t SET v = 0 WHERE v = 40000`);
    expect(found(await run())).toEqual(['changed t K40000', 'missing t k41']);
  });

  it('takes types of columns that differ between the sides for their texts', async () => {
    small = await movedInStep({ ddl: 'CREATE TABLE t (k int PRIMARY KEY, v varchar(10), n int)', tables: ['t'] });
    await small.target.query('ALTER TABLE t ALTER v TYPE text, ALTER n TYPE bigint');
    for (const pool of [small.source, small.target])
      await pool.query(`INSERT INTO t SELECT i, i, i FROM generate_series(1, 100) i`).catch(() => undefined);
    await plant(small.target, `INSERT INTO t SELECT i, i, i FROM generate_series(1, 99) i`);
    expect(found(await verify(small.move, { stream: stillStream() }))).toEqual(['missing t 100']);
  });

  it('names a table whose columns are not the same, and compares the others', async () => {
    small = await movedInStep({
      ddl: 'CREATE TABLE t (k int PRIMARY KEY, v text); CREATE TABLE u (k int PRIMARY KEY); INSERT INTO u VALUES (1)',
      tables: ['t', 'u'],
    });
    await small.target.query('ALTER TABLE t DROP COLUMN v');
    const result = await verify(small.move, {
      stream: stillStream(),
      drift: async () => [{ table: 'public.u', key: null, kind: 'schema', detail: 'An index is missing.' }],
    });
    expect(found(result)).toEqual(['schema t -', 'schema u -']);
    expect(result).toMatchObject({ clean: false, drift: 1, tables: [{ table: 'public.u', rows: 1 }] });
  });
});

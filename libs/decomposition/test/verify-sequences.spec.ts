import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { advanceSequences } from '../src/core/verify/advance-sequences.js';
import { verify } from '../src/core/verify/verify.js';
import { movedInStep, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

describe('sequences', () => {
  let small: SmallMove;
  const run = (options = {}) => verify(small.move, { stream: stillStream(), ...options });
  const next = async (side: 'source' | 'target', name: string): Promise<number> => {
    const { rows } = await small[side].query<{ value: number }>(`SELECT nextval('${name}')::int AS value`);
    return rows[0]!.value;
  };

  beforeEach(async () => {
    small = await movedInStep({
      ddl: `CREATE SCHEMA "Odd";
            CREATE SEQUENCE "Odd"."Shared Seq" INCREMENT 10;
            CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Down" serial, odd bigint DEFAULT nextval('"Odd"."Shared Seq"'));
            ALTER SEQUENCE "t_Down_seq" INCREMENT -1 MINVALUE -1000 MAXVALUE -1 START -1 RESTART -1;
            CREATE TABLE none (id serial PRIMARY KEY)`,
      tables: ['t', 'none'],
    });
    await small.source.query('INSERT INTO t SELECT FROM generate_series(1, 100)');
    await small.target
      .query(`SET session_replication_role = replica; INSERT INTO t (id, "Down", odd) OVERRIDING SYSTEM VALUE
      SELECT i, -i, i * 10 - 9 FROM generate_series(1, 100) i; SET session_replication_role = origin`);
  });
  afterEach(() => small.drop());

  it('are put where the other side is, in their own direction, and never back', async () => {
    expect((await advanceSequences(small.move, 'target')).sort()).toEqual([
      '"Odd"."Shared Seq"',
      'public."t_Down_seq"',
      'public.t_id_seq',
    ]);
    expect(await advanceSequences(small.move, 'target')).toEqual([]);
    const of = async (side: 'source' | 'target'): Promise<number[]> => [
      await next(side, 't_id_seq'),
      await next(side, '"t_Down_seq"'),
      await next(side, '"Odd"."Shared Seq"'),
      await next(side, 'none_id_seq'),
    ];
    expect(await of('target')).toEqual([101, -101, 1001, 1]);
    expect(await of('source')).toEqual([101, -101, 1001, 1]);
    // Further than the other side: stays.
    await next('target', 't_id_seq');
    expect(await advanceSequences(small.move, 'target')).toEqual([]);
    expect(await next('target', 't_id_seq')).toBe(103);
  });

  it('are put behind the rows that are there, if those are further', async () => {
    await small.source.query('SELECT setval($1, 50)', ['t_id_seq']);
    await advanceSequences(small.move, 'target');
    expect(await next('target', 't_id_seq')).toBe(101);
  });

  it('that lag behind rows on their way are no difference; one put back is, with both positions', async () => {
    expect((await run()).differences).toEqual([]);
    await advanceSequences(small.move, 'target');
    const result = await run();
    expect(result).toMatchObject({ clean: true, sequences: { checked: 8, behind: 0 } });
    await small.target.query(`SELECT setval('t_id_seq', 40), setval('"t_Down_seq"', -3)`);
    const { differences, sequences } = await run();
    expect(sequences.behind).toBe(2);
    expect(differences.map(({ kind, detail }) => [kind, detail])).toEqual([
      [
        'sequence',
        'Sequence public."t_Down_seq" of column Down is behind in the target: it is at -3, and had been advanced to -100.',
      ],
      [
        'sequence',
        'Sequence public.t_id_seq of column id is behind in the target: it is at 40, and had been advanced to 100.',
      ],
    ]);
    expect(await run({ repair: true })).toMatchObject({ clean: true, repaired: 2 });
    expect(await next('target', 't_id_seq')).toBe(101);
  });

  it('of the authoritative side have to be past their own column', async () => {
    await small.source.query(`SELECT setval('t_id_seq', 99)`);
    const { differences } = await run();
    expect(differences).toEqual([
      expect.objectContaining({
        kind: 'sequence',
        table: 'public.t',
        detail: 'Sequence public.t_id_seq of column id is behind in the source: it is at 99, and column id holds 100.',
      }),
    ]);
  });
});

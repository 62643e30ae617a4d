import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { advanceSequences } from '../src/core/verify/advance-sequences.js';
import { verifyDelta } from '../src/core/verify/verify-delta.js';
import { brief, movedInStep, plant, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

describe('verifyDelta', () => {
  let small: SmallMove;
  beforeAll(async () => {
    small = await movedInStep({
      ddl: `CREATE TABLE t (id serial PRIMARY KEY, at timestamptz, v text); CREATE TABLE u (a int, b uuid, PRIMARY KEY (a, b));
            INSERT INTO t (at, v) SELECT '2025-01-01', i FROM generate_series(1, 20000) i;
            INSERT INTO u SELECT i, md5(i::text)::uuid FROM generate_series(1, 1000) i`,
      tables: ['t', 'u'],
    });
  });
  afterAll(() => small.drop());

  const delta = (table: string, keys: string[][], all = false) => {
    const stream = stillStream();
    stream.changed.push({ table: `public.${table}`, keys, all });
    return verifyDelta(small.move, 'source', { stream });
  };

  it('finds nothing in what is equal, and in what changed by name only', async () => {
    expect(
      await delta(
        't',
        Array.from({ length: 5000 }, (_, i) => [String(i)]),
      ),
    ).toEqual([]);
    expect(await delta('u', [], true)).toEqual([]);
  });

  it('compares exactly the rows that changed', async () => {
    await plant(
      small.target,
      `DELETE FROM t WHERE id IN (7, 8); UPDATE t SET at = at + interval '1 us' WHERE id IN (9, 10); INSERT INTO t VALUES (-1);
       DELETE FROM u WHERE a = 3`,
    );
    const found = await delta('t', [['7'], ['9'], ['-1'], ['11'], ['99999'], ['9']]);
    expect(found.map(brief)).toEqual(['missing t 7', 'changed t 9', 'extra t -1']);
    expect(found[1]?.detail).toContain('timestamp at differs by 1 microsecond');
    expect((await delta('u', [], true)).map(brief)).toEqual(['missing u 3/eccbc87e-4b5c-e2fe-2830-8fd9f2a7baf3']);
  });

  it('compares in the direction that it is told', async () => {
    const stream = stillStream();
    stream.changed.push({ table: 'public.t', keys: [['8'], ['-1']], all: false });
    expect((await verifyDelta(small.move, 'target', { stream })).map(brief)).toEqual(['extra t 8', 'missing t -1']);
  });

  it('finds a sequence that is not as far as the other one', async () => {
    await small.source.query(`SELECT nextval('t_id_seq')`);
    const found = await delta('t', []);
    expect(found.map(({ kind, detail }) => `${kind}: ${detail}`)).toEqual([
      'sequence: Sequence public.t_id_seq of column id is behind in the target: it is at 20000, and that of the source is at 20001.',
    ]);
    await advanceSequences(small.move, 'target');
    expect(await delta('t', [])).toEqual([]);
  });

  it('refuses more than fits a pause', async () => {
    const keys = Array.from({ length: 200_001 }, (_, i) => [String(i)]);
    await expect(delta('t', keys)).rejects.toMatchObject({ code: 'refused', next: expect.stringContaining('verify') });
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { verify } from '../src/core/verify/verify.js';
import { movedInStep, plant, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

describe('verify, chains', () => {
  let small: SmallMove;
  afterEach(() => small.drop());

  const both = async (sql: string): Promise<void> => {
    for (const pool of [small.source, small.target]) await plant(pool, sql);
  };
  const run = (options = {}) => verify(small.move, { stream: stillStream(), ...options });
  const links = `INSERT INTO t SELECT p * 10000 + i, p, i, md5(p || '/' || i), CASE WHEN i > 1 THEN md5(p || '/' || i - 1) END
                 FROM generate_series(1, 3) p, generate_series`;

  it('follows links in each partition, and goes on from where it was', async () => {
    small = await movedInStep({
      ddl: `CREATE TABLE t (id int PRIMARY KEY, tenant int, seq bigint, hash text, prev text); ${links}(1, 500) i`,
      tables: ['t'],
      service: {
        chains: [{ kind: 'links', table: 't', order: 'seq', hash: 'hash', previous: 'prev', partition: 'tenant' }],
      },
    });
    expect(await run()).toMatchObject({ clean: true, chains: [{ table: 'public.t', rows: 1500, broken: false }] });
    await both(`${links}(501, 510) i`);
    expect(await run()).toMatchObject({ clean: true, chains: [{ rows: 30, broken: false }] });
    expect(await run()).toMatchObject({ clean: true, chains: [{ rows: 0, broken: false }] });
    expect(await run({ full: true })).toMatchObject({ clean: true, chains: [{ rows: 1530, broken: false }] });

    // A row that both sides have lost.
    await both(`${links}(511, 520) i; DELETE FROM t WHERE tenant = 2 AND seq IN (515, 518)`);
    const result = await run();
    expect(result).toMatchObject({ clean: false, difference_count: 1, chains: [{ rows: 28, broken: true }] });
    expect(result.differences).toEqual([
      expect.objectContaining({
        kind: 'chain',
        table: 'public.t',
        key: ['20516'],
        detail: expect.stringMatching(
          /^The chain of tenant '2' breaks at row 20516 \(seq 516\): prev is '[0-9a-f]{32}', and the row before it has hash '[0-9a-f]{32}'\.$/,
        ),
      }),
    ]);
    // It stays broken, also where the break is the first that is new.
    expect((await run()).differences[0]?.key).toEqual(['20516']);
    await both('DELETE FROM t WHERE tenant = 2 AND seq BETWEEN 511 AND 516');
    expect((await run()).differences[0]?.key).toEqual(['20517']);
  });

  it('follows runs of items, in arrays and in documents', async () => {
    small = await movedInStep({
      ddl: `CREATE TABLE a (tree text, first bigint, items bytea[], PRIMARY KEY (tree, first));
            CREATE TABLE j (first int PRIMARY KEY, items jsonb);
            INSERT INTO a SELECT t, i * 3, ARRAY['\\x01', '\\x02', '\\x03']::bytea[] FROM (VALUES (''), ('x')) v (t), generate_series(2, 100) i;
            INSERT INTO j SELECT i * 2, '[1, 2]' FROM generate_series(0, 100) i`,
      tables: ['a', 'j'],
      service: {
        chains: [
          { kind: 'runs', table: 'a', first: 'first', items: 'items', partition: 'tree' },
          { kind: 'runs', table: 'j', first: 'first', items: 'items' },
        ],
      },
    });
    expect(await run()).toMatchObject({
      clean: true,
      chains: [
        { rows: 198, broken: false },
        { rows: 101, broken: false },
      ],
    });
    await both(`INSERT INTO a VALUES ('', 303, '{}'), ('x', 304, '{}'); INSERT INTO j VALUES (202, '[]'), (203, '[]')`);
    const { differences } = await run();
    expect(differences.map(({ detail }) => detail)).toEqual([
      `The run of tree 'x' breaks at row x/304: first is '304', and the rows before it end at '303'.`,
      `The run breaks at row 203: first is '203', and the rows before it end at '202'.`,
    ]);
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { copy } from '../src/core/copy/copy.js';
import { makeDeferred } from '../src/core/create/deferred.js';
import { verbs } from '../src/core/library.js';
import { realMove, type RealMove } from './support/real-move.js';

const FAMILIES = `
  CREATE TABLE parent (id int PRIMARY KEY);
  CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent);
  INSERT INTO parent SELECT n FROM generate_series(1, 10) n;
  INSERT INTO child SELECT n, n FROM generate_series(1, 10) n`;

describe('constraints that are made while rows come over one by one', () => {
  let real: RealMove;
  afterEach(() => real.drop());

  const created = async (): Promise<RealMove> => {
    real = await realMove({ source: FAMILIES, tables: ['parent', 'child'], service: { strategy: 'dual-write' } });
    await verbs.create(real.move, {
      dryRun: false,
      passwords: () => 'not-used-by-anyone',
      migrate: async () => undefined,
    });
    return real;
  };
  const onTarget = (sql: string): Promise<unknown> =>
    real.target.query(`BEGIN; SET LOCAL session_replication_role = replica; ${sql}; COMMIT`);

  it('wait for a row that others refer to already', async () => {
    const { move, source, target } = await created();
    let attempts = 0;
    await copy(move, {
      finish: async (one) => {
        if (attempts++ === 0) {
          await source.query('INSERT INTO parent VALUES (11); INSERT INTO child VALUES (11, 11)');
          await onTarget('INSERT INTO child VALUES (11, 11)');
        }
        await makeDeferred(one, 'target');
      },
    });
    expect(attempts).toBe(2);
    const { rows } = await target.query(`SELECT convalidated FROM pg_constraint WHERE conname = 'child_parent_fkey'`);
    expect(rows).toEqual([{ convalidated: true }]);
  });

  it('are refused when the row does not come', async () => {
    const { move } = await created();
    const copying = copy(move, {
      finish: async (one) => {
        await onTarget('INSERT INTO child VALUES (12, 12) ON CONFLICT DO NOTHING');
        await makeDeferred(one, 'target');
      },
    });
    await expect(copying).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('child_parent_fkey'),
    });
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { driftOf } from '../src/core/create/drift.js';
import { reverse } from '../src/core/switch/reverse.js';
import { switchWrites } from '../src/core/switch/switch-writes.js';
import { patiently } from './support/patiently.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

/** Says how many rows there were when it was called, and is not the same on both sides from then on. */
const FUNCTIONS = `
  CREATE TABLE calls (rows int);
  CREATE FUNCTION rows_before() RETURNS int LANGUAGE sql RETURN 0;
  CREATE FUNCTION take_over() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO calls SELECT count(*) FROM item;
      EXECUTE format('CREATE OR REPLACE FUNCTION rows_before() RETURNS int LANGUAGE sql RETURN %s', (SELECT rows FROM calls LIMIT 1));
    END $$;
  ALTER TABLE item ADD COLUMN before int DEFAULT rows_before()`;

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase({ service: { takeover: { call: 'take_over', replaces: ['rows_before'] } } });
  for (const side of ['source', 'target'] as const) await one[side].query(FUNCTIONS);
});
afterAll(() => one?.drop());

const options = () => ({ tools: one.tools, pauseTimeoutMs: 20_000 });
const calls = async (side: 'source' | 'target'): Promise<number[]> =>
  (await one[side].query<{ rows: number }>('SELECT rows FROM calls')).rows.map(({ rows }) => rows);
const add = (side: 'source' | 'target', ids: string): Promise<unknown> =>
  one[side].query(`INSERT INTO item (id, amount) SELECT id, id FROM generate_series(${ids}) id`);

it('is called on the side that takes the writes, when it has all rows, and before it takes any', async () => {
  await add('source', '101, 105');
  await patiently(() => switchWrites(one.move, options()));
  expect([await calls('source'), await calls('target')]).toEqual([[], [55]]);
  await add('target', '106, 108');
  await reverse(one.move, options());
  expect([await calls('source'), await calls('target')]).toEqual([[58], [55]]);
});

/** The triggers of this test's streams aside. */
const drift = async (move = one.move): Promise<string[]> =>
  (await driftOf(move)).filter((line) => !line.startsWith('trigger zz_test_log'));

it('may replace the functions that the plan names, and no others', async () => {
  expect(await drift()).toEqual([]);
  await one.source.query('CREATE OR REPLACE FUNCTION rows_before() RETURNS int LANGUAGE sql STABLE RETURN 7');
  expect(await drift()).toEqual([]);
  const { takeover: _, ...service } = one.move.service;
  expect(await drift({ ...one.move, service })).toEqual([expect.stringContaining('rows_before() differs')]);
});

it('ends the switch when it fails, and all is taken back', async () => {
  await one.target.query(`ALTER FUNCTION take_over() RENAME TO gone`);
  await expect(switchWrites(one.move, options())).rejects.toThrow('take_over() does not exist');
  expect(await one.openSides()).toEqual(['source']);
  expect(await one.move.state.read()).toMatchObject({ phase: 'in_step', writes: 'source' });
});

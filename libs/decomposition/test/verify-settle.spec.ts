import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { leaderOf } from '../src/core/state/move-state.js';
import { readComparisons } from '../src/core/verify/comparison.js';
import { hashRange, sameRows } from '../src/core/verify/hash-range.js';
import { suspectsOf } from '../src/core/verify/suspects.js';
import { verify, type VerifyStream } from '../src/core/verify/verify.js';
import { found, movedInStep, plant, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

describe('verify, rows on their way', () => {
  let small: SmallMove;
  beforeEach(async () => {
    small = await movedInStep({
      ddl: `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, i FROM generate_series(1, 500) i`,
      tables: ['t'],
    });
  });
  afterEach(() => small.drop());

  /** Does the given things, one at each time that the stream is waited for. */
  const streamThat = (...steps: (() => Promise<unknown>)[]): VerifyStream => ({
    ...stillStream(),
    catchUp: async () => {
      await steps.shift()?.();
    },
  });
  const source = (sql: string) => () => plant(small.source, sql);
  const target = (sql: string) => () => plant(small.target, sql);
  const all =
    (...steps: (() => Promise<unknown>)[]) =>
    async () => {
      for (const step of steps) await step();
    };

  it('waits for what had not come yet', async () => {
    await source(`UPDATE t SET v = 'x' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (0)`)();
    const stream = streamThat(
      target(`UPDATE t SET v = 'x' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (0)`),
    );
    expect(await verify(small.move, { stream })).toMatchObject({ clean: true, differences: [] });
  });

  it('is not fooled by a row that comes and goes between two readings', async () => {
    await source(`DELETE FROM t WHERE id = 5`)();
    const come = all(
      source(`INSERT INTO t VALUES (5, '5')`),
      target(`DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (5, '5')`),
    );
    const go = all(come, source('DELETE FROM t WHERE id = 5'));
    const stream = streamThat(go, go, target('DELETE FROM t WHERE id = 5'));
    expect(await verify(small.move, { stream })).toMatchObject({ clean: true });
  });

  it('does not take a row that never rests for a difference, and finds the one beside it', async () => {
    await plant(small.target, 'UPDATE t SET v = 0 WHERE id IN (7, 9)');
    const busy = Array.from({ length: 20 }, () => source('UPDATE t SET v = v || 1 WHERE id = 7'));
    const result = await verify(small.move, { stream: streamThat(...busy) });
    expect(found(result)).toEqual(['changed t 9']);
    expect(result.tables[0]).toMatchObject({ busy: 1, differences: 1 });
  });

  it('gives the second half of a dual write the time to come', async () => {
    await small.target.query(`UPDATE decomposition.moves SET strategy = 'dual-write'`);
    // Participants write the new side first.
    await target(`UPDATE t SET v = 'new' WHERE id IN (7, 9)`)();
    const later = streamThat(async () => undefined, source(`UPDATE t SET v = 'new' WHERE id = 7`));
    expect(found(await verify(small.move, { stream: later }))).toEqual(['changed t 9']);
  });

  it('waits for a transaction of which only the new half is there, however long it stands still', async () => {
    await small.target.query(`UPDATE decomposition.moves SET strategy = 'dual-write'`);
    await target(`UPDATE t SET v = 'new' WHERE id IN (7, 9)`)();
    let looks = 0;
    const stream: VerifyStream = {
      ...stillStream(),
      underWay: async (table) => {
        if (table !== 'public.t' || ++looks > 2) return [];
        if (looks === 2) await source(`UPDATE t SET v = 'new' WHERE id = 7`)();
        return [['7']];
      },
    };
    const result = await verify(small.move, { stream });
    expect(found(result)).toEqual(['changed t 9']);
    expect(result.tables[0]).toMatchObject({ busy: 0, differences: 1 });
  });

  it('gives up with the stream, and leaves the gate as it was', async () => {
    await verify(small.move, { stream: stillStream() });
    const { verifiedAt } = await small.move.state.read();
    await target('DELETE FROM t WHERE id = 4')();
    const stream = streamThat(() => Promise.reject(new Error('does not catch up')));
    await expect(verify(small.move, { stream })).rejects.toThrow('does not catch up');
    expect((await small.move.state.read()).verifiedAt).toEqual(verifiedAt);
  });

  it('compares by md5 where the servers hash differently', async () => {
    const leader = leaderOf(await small.move.state.read());
    const { comparisons } = await readComparisons(small.move, leader);
    const comparison = { ...comparisons[0]!, hash: 'md5' as const };
    const everything = { low: null, high: null };
    const hashes = () =>
      Promise.all([small.source, small.target].map((pool) => hashRange(pool, comparison, everything)));
    const [one, other] = await hashes();
    expect(sameRows(one!, other!)).toBe(true);
    await target(`UPDATE t SET v = v || ' ' WHERE id = 77`)();
    const [three, four] = await hashes();
    expect(sameRows(three!, four!)).toBe(false);
    for (const rows of [500, 100_000]) {
      const suspects: unknown[] = [];
      for await (const keys of suspectsOf([small.source, small.target], comparison, everything, rows))
        suspects.push(keys);
      expect(suspects).toEqual([[['77']]]);
    }
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { verify } from '../src/core/verify/verify.js';
import { type Verification } from '../src/core/verify/verification.js';
import { CopyingStream } from './support/copying-stream.js';
import { found, movedInStep, plant } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

const RUNS = 20;
const ROWS = 20_000;

/** Steady inserts, changes and deletes, of few keys again and again, until told to stop. */
function startWriter(small: SmallMove, seed: number): { written: () => number; stop: () => Promise<void> } {
  let ended = false;
  let written = 0;
  const work = async (): Promise<void> => {
    for (let i = seed; !ended; i = (i * 1103515245 + 12345) % 2147483648) {
      const id = i % 3 === 0 ? i % 20 : (i % (ROWS + 500)) + 1;
      await small.source.query(
        [
          `INSERT INTO t VALUES (${id}, 'new ${i}') ON CONFLICT (id) DO UPDATE SET v = excluded.v, at = now()`,
          `DELETE FROM t WHERE id = ${id}`,
          `UPDATE t SET v = 'changed ${i}' WHERE id BETWEEN ${id} AND ${id + 3}`,
        ][(i >> 8) % 3]!,
      );
      written++;
      await sleep(3);
    }
  };
  const done = work();
  return {
    written: () => written,
    stop: () => {
      ended = true;
      return done;
    },
  };
}

describe('verify, under load', () => {
  let small: SmallMove | undefined;
  afterEach(() => small?.drop());

  it(`finds nothing in ${RUNS} runs while rows are on their way, and a planted row in the next`, async () => {
    small = await movedInStep({
      ddl: `CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz DEFAULT '2025-01-01');
            INSERT INTO t SELECT i, i FROM generate_series(1, ${ROWS}) i`,
      tables: ['t'],
    });
    const stream = await CopyingStream.start(small, 20);
    const writers = [startWriter(small, 42), startWriter(small, 4711)];
    try {
      const runs: Verification[] = [];
      for (let i = 0; i < RUNS; i++)
        runs.push(await verify(small.move, { stream, full: i % 2 === 0, ranges: { rows: 2000 } }));
      expect(runs.flatMap(found)).toEqual([]);
      expect(runs.every(({ clean }) => clean)).toBe(true);
      // There was something to be mistaken about.
      await waitFor('both to have written', () => writers.every(({ written }) => written() > 100));
      expect(runs.reduce((sum, { tables }) => sum + tables[0]!.compared, 0)).toBeGreaterThan(RUNS);
      await plant(small.target, `INSERT INTO t VALUES (-1, 'planted'), (${ROWS * 2}, 'planted')`);
      expect(found(await verify(small.move, { stream }))).toEqual(['extra t -1', `extra t ${ROWS * 2}`]);
      const result = await verify(small.move, { stream, repair: true });
      expect(result).toMatchObject({ clean: true, repaired: 2 });
    } finally {
      await Promise.all(writers.map((writer) => writer.stop()));
      await stream.stop();
    }
  }, 180_000);
});

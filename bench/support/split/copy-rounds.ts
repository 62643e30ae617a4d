import { copy, type Move } from '#decomposition';
import { type BenchContext } from '../../harness/bench.js';
import { copyByPsql } from './psql-copy.js';
import { type SharedDatabase } from './shared-database.js';

const ROUNDS = 3;

/** Seconds, by round. */
export interface CopyTimes {
  split: number[];
  psql: number[];
  psqlBinary: number[];
}

/** The three ways take turns. The last copy of ours is left for the rest to work with. */
export async function copyRounds(
  { progress, stop }: BenchContext,
  database: SharedDatabase,
): Promise<{ times: CopyTimes; move: Move }> {
  const times: CopyTimes = { split: [], psql: [], psqlBinary: [] };
  let last: Move | undefined;
  const ways = {
    psql: () => copyByPsql(database, 'text', stop),
    psqlBinary: () => copyByPsql(database, 'binary', stop),
    split: async (): Promise<number> => {
      last = await database.create();
      await database.checkpoint();
      return copySeconds(last);
    },
  };
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [way, run] of Object.entries(ways) as [keyof CopyTimes, () => Promise<number>][]) {
      stop.throwIfAborted();
      const seconds = await run();
      times[way].push(seconds);
      progress(`round ${round} of ${ROUNDS}: ${way} copied in ${seconds.toFixed(1)} s`);
    }
    if (round < ROUNDS) await database.forget(last!);
  }
  return { times, move: last! };
}

/** Cutting into chunks, and the chunks. What comes before and after does not grow with the rows. */
async function copySeconds(move: Move): Promise<number> {
  await copy(move, { until: 'copied' });
  const ms = await stepsOf(move);
  return (ms.planned! + ms.copied!) / 1000;
}

/** Milliseconds of each step of the last copy. */
export async function stepsOf(move: Move): Promise<Record<string, number>> {
  const { rows } = await move.databases.target.query<{ step: string; ms: number }>(
    `SELECT DISTINCT ON (step) step, (detail->>'ms')::float8 AS ms FROM decomposition.journal
     WHERE verb = 'copy' AND detail ? 'ms' ORDER BY step, id DESC`,
  );
  return Object.fromEntries(rows.map(({ step, ms }) => [step, ms]));
}

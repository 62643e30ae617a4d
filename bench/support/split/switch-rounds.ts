import { setTimeout as sleep } from 'node:timers/promises';
import { verbs, type Move, type Side } from '#decomposition';
import { type BenchContext } from '../../harness/bench.js';
import { median } from '../../harness/statistics.js';
import { TABLE } from './sample.js';
import { Writers } from './writers.js';

const CYCLES = 15;
/** Between two changes of sides. */
const CALM_MS = 500;

export interface SwitchTimes {
  /** The longest wait of a write, for each change of sides. Milliseconds. */
  pauses: Readonly<Record<'switchWrites' | 'reverse', number[]>>;
  /** From the call of `reverse` to its return. Seconds. */
  reverse: number[];
  /** Of the time without changes of sides. */
  writesPerS: number;
  medianWriteMs: number;
}

interface Change {
  verb: 'switchWrites' | 'reverse';
  from: number;
  to: number;
  steps: readonly { step: string; ms: number }[];
}

/**
 * There and back again, while four instances write.
 *
 * @throws Error when a write fails, or one that was acknowledged is not there at the end
 */
export async function switchRounds({ progress, stop }: BenchContext, move: Move): Promise<SwitchTimes> {
  const writers = await Writers.start(move.urls, move.service.name);
  const changes: Change[] = [];
  const began = performance.now();
  try {
    for (let cycle = 1; cycle <= CYCLES; cycle++) {
      for (const verb of ['switchWrites', 'reverse'] as const) {
        await sleep(CALM_MS, undefined, { signal: stop });
        const from = performance.now();
        const { steps } = await verbs[verb](move, { dryRun: false });
        changes.push({ verb, from, to: performance.now(), steps });
      }
      const [there, back] = changes.slice(-2).map(({ from, to }) => ((to - from) / 1000).toFixed(1));
      progress(`cycle ${cycle} of ${CYCLES}: there in ${there} s, back in ${back} s`);
    }
    await sleep(CALM_MS, undefined, { signal: stop });
  } finally {
    await writers.stop();
  }
  const seconds = (performance.now() - began) / 1000;
  if (writers.failures.length > 0)
    throw new Error(`${writers.failures.length} writes failed`, { cause: writers.failures[0] });
  await assertThere(move, 'source', writers.inserted);
  for (const verb of ['switchWrites', 'reverse'] as const) progress(`${verb}, by step: ${stepTimes(changes, verb)}`);
  const pausesOf = (verb: Change['verb']): number[] =>
    changes.filter((change) => change.verb === verb).map(({ from, to }) => writers.longest(from, to));
  return {
    pauses: { switchWrites: pausesOf('switchWrites'), reverse: pausesOf('reverse') },
    reverse: changes.filter(({ verb }) => verb === 'reverse').map(({ from, to }) => (to - from) / 1000),
    writesPerS: writers.writes.length / seconds,
    medianWriteMs: median(writers.writes.map((write) => write.ended - write.began)),
  };
}

/** The median of each step in milliseconds, for who wants to know where the time goes. */
function stepTimes(changes: readonly Change[], verb: Change['verb']): string {
  const times = new Map<string, number[]>();
  for (const { steps } of changes.filter((change) => change.verb === verb))
    for (const { step, ms } of steps) times.set(step, [...(times.get(step) ?? []), ms]);
  return [...times].map(([step, ms]) => `${step} ${Math.round(median(ms))} ms`).join(', ');
}

async function assertThere(move: Move, side: Side, ids: readonly string[]): Promise<void> {
  const { rows } = await move.databases[side].query<{ id: string }>(
    `SELECT id FROM unnest($1::uuid[]) AS wanted (id) WHERE NOT EXISTS (SELECT FROM ${TABLE} t WHERE t.id = wanted.id)`,
    [ids],
  );
  if (rows.length > 0) throw new Error(`${rows.length} rows of ${ids.length} are not on the ${side}: ${rows[0]!.id}`);
}

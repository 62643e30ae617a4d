import { verbs, type Move } from '#decomposition';
import { type BenchContext } from '../../harness/bench.js';
import { median } from '../../harness/statistics.js';

const ROUNDS = 3;

export interface VerifySeconds {
  /** All rows, on both sides. */
  full: number;
  /** Nothing has changed since. */
  incremental: number;
}

/** Medians, in turns. @throws Error when the sides differ */
export async function verifySeconds({ progress, stop }: BenchContext, move: Move): Promise<VerifySeconds> {
  const times = { full: [] as number[], incremental: [] as number[] };
  for (let round = 1; round <= ROUNDS; round++) {
    for (const way of ['full', 'incremental'] as const) {
      stop.throwIfAborted();
      const began = performance.now();
      const { clean, differences } = await verbs.verify(move, { full: way === 'full', repair: false });
      if (!clean) throw new Error(`The sides differ: ${JSON.stringify(differences).slice(0, 1000)}`);
      times[way].push((performance.now() - began) / 1000);
      progress(`round ${round} of ${ROUNDS}: ${way} verification in ${times[way].at(-1)!.toFixed(1)} s`);
    }
  }
  return { full: median(times.full), incremental: median(times.incremental) };
}

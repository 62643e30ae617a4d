import { cpus } from 'node:os';
import { type BenchContext } from '../../harness/bench.js';
import { startLobbyDatabase } from './lobby-database.js';
import { lobbyLoad } from './lobby-load.js';
import { moveToProcessor } from '../server-process.js';
import { Neighbour } from './neighbour.js';

const ROUNDS = 5;
const ROUND_S = 5;

export type Way = 'own' | 'shared';
export interface ThroughputRounds {
  /** Turns a second, by round. */
  turnsPerS: Readonly<Record<Way, number[]>>;
  /** Of all turns of all rounds. Milliseconds. */
  latencies: Readonly<Record<Way, number[]>>;
}

/**
 * The lobby's statements beside a neighbour on one server, which has the first processor, and on a server of its own, which has the second one,
 * while the neighbour goes on. The load comes from a third processor; where there is none from the second one, so that it is the own server
 * that has less.
 */
export async function throughputRounds(context: BenchContext): Promise<ThroughputRounds> {
  const { progress, stop } = context;
  progress('starting two servers');
  const shared = await startLobbyDatabase(context, 'shared', 0);
  const own = await startLobbyDatabase(context, 'own', 1);
  await moveToProcessor(Math.min(2, cpus().length - 1));
  const neighbour = await Neighbour.start(shared.serverUrl);
  const urls = { own: own.url, shared: shared.url };
  const result: ThroughputRounds = { turnsPerS: { own: [], shared: [] }, latencies: { own: [], shared: [] } };
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      for (const way of ['shared', 'own'] as const) {
        stop.throwIfAborted();
        const { turnsPerS, latencies } = await lobbyLoad(urls[way], ROUND_S, stop);
        result.turnsPerS[way].push(turnsPerS);
        for (const latency of latencies) result.latencies[way].push(latency);
        progress(`round ${round} of ${ROUNDS}: ${way} server, ${Math.round(turnsPerS)} turns/s`);
      }
    }
  } finally {
    await neighbour.stop();
  }
  await Promise.all([shared.stop(), own.stop()]);
  return result;
}

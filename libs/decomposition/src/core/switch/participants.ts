import { type Move } from '../move.js';
import { until } from '../wait-until.js';

/** One running process of a service that routes its connections by the state of the move. */
export interface Participant {
  instance: string;
  /** The last state it acts by. */
  epoch: number;
  /** No write of its own is under way or will begin until it hears of another epoch. */
  paused: boolean;
}

/** Whoever was not heard of for longer is taken for gone; what it might still write, the fence refuses. Milliseconds. */
export const ALIVE_MS = 5000;

export interface Participants {
  alive: readonly Participant[];
  /** Instances that were heard of, but not lately. */
  gone: readonly string[];
}

/** Ordered by name. */
export async function readParticipants({ databases, service }: Move): Promise<Participants> {
  const { rows } = await databases.target.query<Participant & { alive: boolean }>(
    `SELECT instance, epoch::float8 AS epoch, paused, seen_at > clock_timestamp() - make_interval(secs => $2) AS alive
     FROM decomposition.instances WHERE service = $1 ORDER BY instance`,
    [service.name, ALIVE_MS / 1000],
  );
  return {
    alive: rows.filter(({ alive }) => alive).map(({ instance, epoch, paused }) => ({ instance, epoch, paused })),
    gone: rows.filter(({ alive }) => !alive).map(({ instance }) => instance),
  };
}

export interface Awaited {
  /** Who was waited for; nobody is legal. */
  participants: readonly Participant[];
  /** Who did not follow in time. */
  missing: readonly Participant[];
}

/**
 * Until every live instance says that it has paused, by this epoch or a later one. Instances that turn up meanwhile count, too.
 *
 * @throws SplitError `interrupted`
 */
export function awaitPause(move: Move, epoch: number, timeoutMs: number): Promise<Awaited> {
  return awaitAll(move, timeoutMs, (one) => one.paused && one.epoch >= epoch);
}

/** Until every live instance acts by this epoch or a later one. @throws SplitError `interrupted` */
export function awaitEpoch(move: Move, epoch: number, timeoutMs: number): Promise<Awaited> {
  return awaitAll(move, timeoutMs, (one) => one.epoch >= epoch);
}

async function awaitAll(move: Move, timeoutMs: number, there: (one: Participant) => boolean): Promise<Awaited> {
  let last: Awaited = { participants: [], missing: [] };
  const read = async (): Promise<boolean> => {
    const { alive } = await readParticipants(move);
    last = { participants: alive, missing: alive.filter((one) => !there(one)) };
    return last.missing.length === 0;
  };
  await until(read, { timeoutMs, signal: move.signal });
  return last;
}

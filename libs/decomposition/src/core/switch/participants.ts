import { type Move } from '../move.js';
import { type Instance, readInstances } from '../state/instances.js';
import { until } from '../wait-until.js';

/** An instance that is waited for. */
export type Participant = Pick<Instance, 'instance' | 'epoch' | 'paused'>;

export interface Participants {
  alive: readonly Participant[];
  /** Instances that were heard of, but not lately. */
  gone: readonly string[];
}

/** Ordered by name. */
export async function readParticipants({ databases, service }: Move): Promise<Participants> {
  const instances = await readInstances(databases.target, service.name);
  return {
    alive: instances.filter(({ alive }) => alive),
    gone: instances.filter(({ alive }) => !alive).map(({ instance }) => instance),
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

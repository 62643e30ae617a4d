import { otherSide, type Side } from '../core/side.js';
import { leaderOf, type MoveState } from '../core/state/move-state.js';
import { bucketOf } from './bucket.js';
import { type Intent } from './intent.js';
import { type RecentWriters } from './recent-writers.js';

/** The side that takes writes; without a move, the source. */
export function writingSide(state: Pick<MoveState, 'writes' | 'pausedFor'> | undefined): Side {
  return state ? leaderOf(state) : 'source';
}

/**
 * Where a read goes: among the share that the target serves while the source takes writes, to the target; all others to where writes go.
 * So do reads of a key that wrote lately, because the other side may not have it yet.
 */
export function readingSide(state: MoveState | undefined, intent: Intent, writers: RecentWriters): Side {
  const writes = writingSide(state);
  const spread = intent.spread ?? intent.key;
  if (!state || writes === 'target' || spread === undefined) return writes;
  if (intent.key !== undefined && writers.has(intent.key)) return writes;
  return bucketOf(spread) < state.readPercent ? otherSide(writes) : writes;
}

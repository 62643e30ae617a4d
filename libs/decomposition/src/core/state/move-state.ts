import { type Side } from '../side.js';
import { type Strategy } from '../plan/plan.js';

/**
 * - `created`: the target has the tables, empty and fenced
 * - `copying`: changes are kept from here on; rows are being copied
 * - `in_step`: the target follows the source
 * - `switched`: the source follows the target
 * - `completed`: nothing follows any more; the source's tables are put aside or gone
 * - `abandoned`: the move is being given up before it has switched; when that is done, there is no move
 */
export type Phase = 'created' | 'copying' | 'in_step' | 'switched' | 'completed' | 'abandoned';

/** Which side takes writes. `paused`: neither, while a switch in the direction of `pausedFor` goes on. */
export type Writes = Side | 'paused';

/** The side that takes writes, and is right where the two differ; during a pause, that which took them before. */
export function leaderOf({ writes, pausedFor }: Pick<MoveState, 'writes' | 'pausedFor'>): Side {
  return writes === 'target' || pausedFor === 'reverse' ? 'target' : 'source';
}

/** One service's move: the row that participants follow, too. */
export interface MoveState {
  service: string;
  strategy: Strategy;
  phase: Phase;
  writes: Writes;
  pausedFor: 'switch' | 'reverse' | null;
  /** Share of reads, by key, that are served by the target, 0 to 100. */
  readPercent: number;
  /** Share of reads that are also done on the other side, and compared, 0 to 100. */
  shadowPercent: number;
  /** Participants write both sides themselves, the new one first. */
  dual: boolean;
  /** Grows with every change that participants have to know. */
  epoch: number;
  /** When the last verification of all tables that found nothing began; null when there was none, or one since that found something. */
  verifiedAt: Date | null;
  /** When the source's tables, put aside, may be dropped. */
  dropAfter: Date | null;
  changedAt: Date;
}

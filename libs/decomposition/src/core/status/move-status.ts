import { type Strategy } from '../plan/plan.js';
import { type Instance } from '../state/instances.js';
import { type Phase, type Writes } from '../state/move-state.js';

export type ParticipantStatus = Pick<Instance, 'instance' | 'seen_s_ago' | 'alive' | 'epoch' | 'paused'>;

export interface JournalStep {
  verb: string;
  step: string;
  at: Date;
}

/** How one service's move stands. What cannot be told, because a server does not answer or nothing is there yet, is null or empty. */
export interface MoveStatus {
  service: string;
  strategy: Strategy;
  /** Null before `create`, and while the target does not answer. */
  phase: Phase | null;
  writes: Writes | null;
  paused_for: 'switch' | 'reverse' | null;
  epoch: number | null;
  /** Percent of reads that the target serves, and that are compared. */
  read_percent: number | null;
  shadow_percent: number | null;
  rows_copied: number;
  /** As the planner guesses it, until all are copied. */
  rows_total: number | null;
  chunks: { done: number; total: number };
  lag_s: number | null;
  /** The side that follows has missed changes for good: `copy` follows anew, and makes it equal. */
  changes_missed: boolean;
  /** WAL that the server keeps for the stream. Bytes. */
  retained_wal_bytes: number | null;
  /** Changes that wait, of a stream that has no WAL to wait in. */
  pending_changes: number | null;
  /** When the last verification that found nothing began. */
  verified_at: Date | null;
  differences_open: number;
  participants: readonly ParticipantStatus[];
  /** Full names of the tables that take no writes. */
  fenced: { source: readonly string[]; target: readonly string[] };
  /** Where the source's tables are, once the move is completed; null before, and while the source does not answer. */
  old_tables: 'in_place' | 'aside' | 'gone' | null;
  drop_after: Date | null;
  /** The newest first. */
  last_steps: readonly JournalStep[];
  /** What cannot be reached, or is not there: a sentence each. */
  problems: readonly string[];
  /** What stands in the way of the next step: a sentence each. */
  blocks: readonly string[];
  /** The verb to run next, with what it needs; null when there is none. */
  next: string | null;
}

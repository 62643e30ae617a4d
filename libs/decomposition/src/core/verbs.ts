import { type Move } from './move.js';
import { type Login, type Plan } from './plan/plan.js';
import { type Progress } from './progress.js';
import { type Side } from './side.js';
import { type WatchedStream } from './watch/stream-in-use.js';

/** What a command line needs of each verb: its options, and of its report what is printed. Reports may hold more, for `--json`. */
export interface Verbs {
  checkPlan(plan: Plan): Promise<PlanResult>;
  /** One consistent export of what the services will take. */
  backup(plan: Plan, services: readonly string[], directory: string, run: Run): Promise<BackupResult>;
  /** Into the database of the URL, and proves that it is what was exported. */
  restore(directory: string, url: string, run: Run): Promise<BackupResult>;
  create(move: Move, options: CreateRun): Promise<CreateResult>;
  copy(move: Move): Promise<CopyResult>;
  verify(move: Move, options: { full: boolean; repair: boolean }): Promise<VerifyResult>;
  switchReads(move: Move, options: Rehearsable & { percent: number; shadowPercent?: number }): Promise<ReadsResult>;
  switchWrites(move: Move, options: Rehearsable & { pauseTimeoutMs?: number }): Promise<SwitchResult>;
  reverse(move: Move, options: Rehearsable & { pauseTimeoutMs?: number; force?: boolean }): Promise<SwitchResult>;
  complete(move: Move, options: CompleteRun): Promise<CompleteResult>;
  abandon(move: Move, options: AbandonRun): Promise<AbandonResult>;
  /** Makes and fills the tables of the sample in an empty database. */
  sample(url: string, options: { rows: number; seed: number }): Promise<{ tables: number }>;
  /** Makes partitions on the side that follows that the other has got since. @returns labels of them */
  followPartitions(move: Move): Promise<readonly string[]>;
  openStream(move: Move, from: Side): WatchedStream | Promise<WatchedStream>;
}

export interface Run {
  progress: Progress;
  signal: AbortSignal;
}

interface Rehearsable {
  /** Looks at the gates, and changes nothing. */
  dryRun: boolean;
}

export interface CreateRun extends Rehearsable {
  passwords: (login: Login) => string;
  /** Brings the database of the URL, as its owner, to the service's latest schema. */
  migrate: (url: string) => Promise<void>;
}

export interface CompleteRun extends Rehearsable {
  now: boolean;
  dropAfterMs?: number;
  reportDir?: string;
}

export interface AbandonRun extends Rehearsable {
  drop: boolean;
  withoutTarget: boolean;
}

interface Said {
  place: string;
  message: string;
  next: string;
}

export interface PlanResult {
  /** The move must not begin while there is one. */
  problems: readonly Said[];
  warnings: readonly Said[];
  services: readonly {
    name: string;
    tables: readonly object[];
    sequences: readonly object[];
    rows: number;
    bytes: number;
    seconds: number;
  }[];
  cuts: readonly { name: string; from: string; to: string; becomes: string }[];
  order: readonly { service: string; why: string }[];
  estimate: { bytes: number; seconds: number };
}

export interface BackupResult {
  tables: readonly { table: string; rows: number }[];
}

export interface CreateResult {
  database: string;
  made: readonly string[];
  deferred: readonly string[];
  cut: readonly { name: string; from: string; to: string }[];
}

export interface CopyResult {
  phase: string;
  rows: number;
  seconds: number;
}

export interface VerifyResult {
  clean: boolean;
  tables: readonly { table: string; rows: number; rows_compared: number; differences: number }[];
  rows_per_s: number;
  differences: readonly { table: string; key: readonly string[] | null; kind: string; detail: string }[];
  difference_count: number;
  repaired: number;
}

export interface GateResult {
  name: string;
  ok: boolean;
  reason: string;
  next: string;
}

export interface ReadsResult {
  did: string;
  gates: readonly GateResult[];
  before: number;
  percent: number;
  shadow_percent: number;
  participants: number;
  late: readonly string[];
}

export interface SwitchResult {
  did: string;
  /** What a dry run would do; empty when that is nothing. */
  would: string;
  gates: readonly GateResult[];
  /** How long neither side took writes; null when they were not paused. Milliseconds. */
  pause_ms: number | null;
  participants: number | null;
  steps: readonly { step: string; ms: number }[];
}

export interface AbandonResult {
  did: string;
  would: string;
  /** As it was found. */
  phase: string | null;
  /** Instances that had not heard of it in time. */
  late: readonly string[];
}

export interface CompleteResult {
  did: string;
  would: string;
  gates: readonly GateResult[];
  drop_after: Date | null;
  /** Files of the report. */
  report: readonly string[];
}

import { type ForeignKey } from '../catalogue/foreign-keys.js';
import { type Phase } from '../state/move-state.js';
import { type Strategy } from './plan.js';

export type FindingCode =
  | 'claimed_twice'
  | 'claimed_by_none'
  | 'table_missing'
  | 'not_a_table'
  | 'not_permanent'
  | 'no_primary_key'
  | 'replica_identity'
  | 'inheritance'
  | 'not_owner'
  | 'row_security'
  | 'type_does_not_travel'
  | 'large_objects'
  | 'extension_missing'
  | 'view_across'
  | 'view_stays'
  | 'rule_across'
  | 'rule_stays'
  | 'policy_across'
  | 'trigger'
  | 'trigger_always'
  | 'external_ref_unknown'
  | 'external_ref_own'
  | 'cut_not_announced'
  | 'cut_of_stay'
  | 'cut_not_validated'
  | 'column_missing'
  | 'reference_foreign'
  | 'column_type'
  | 'sequence_shared'
  | 'sequence_of_none'
  | 'same_database'
  | 'shared_role'
  | 'target_unreachable'
  | 'target_not_empty'
  | 'server_version'
  | 'server_setting'
  | 'server_right'
  | 'encoding'
  | 'collation'
  | 'subscription';

/** What is wrong, or may be. */
export interface Finding {
  code: FindingCode;
  /** Undefined where it is nobody's in particular. */
  service?: string;
  /** What it is about: a table, `table.column`, a view, a setting of a server. */
  place: string;
  /** A sentence. */
  message: string;
  /** What to do about it: a sentence. */
  next: string;
}

export interface Findings {
  /** The move must not begin while there is one. */
  problems: Finding[];
  /** Somebody should know them; nothing stops. */
  warnings: Finding[];
}

export interface DatabaseReport {
  /** Without the password. */
  url: string;
  answers: boolean;
  /** False: `create` will make it. */
  exists: boolean;
  /** As `server_version` has it; null when the server does not answer. */
  version: string | null;
  /** Which cluster it is (`system_identifier`); null when that is not to be known. */
  cluster: string | null;
}

export interface TableReport {
  /** Full name. */
  name: string;
  /** As the planner guesses it. */
  rows: number;
  /** With indexes and TOAST. */
  bytes: number;
}

export interface SequenceReport {
  /** Full name. */
  name: string;
  /** The columns it belongs to, or that take their default from it: `public.history.id`. */
  columns: readonly string[];
  /** The last value given out, as text; null when it has given none. */
  last: string | null;
  increment: string;
}

export interface ExternalReference {
  /** Full name of the table. */
  table: string;
  /** The service that gets it; null when it stays, or nobody has it. */
  home: string | null;
  /** How the source knows it: by a foreign key, by one of the plan's `references`, or not at all: it is the application's. */
  by: 'foreign_key' | 'reference' | 'application';
}

export interface ServiceReport {
  name: string;
  strategy: Strategy;
  schema: 'clone' | 'migrations';
  target: DatabaseReport;
  /** Null before `create`. */
  phase: Phase | null;
  tables: readonly TableReport[];
  sequences: readonly SequenceReport[];
  externalReferences: readonly ExternalReference[];
  /** That its tables need on the target's server. */
  extensions: readonly string[];
  rows: number;
  bytes: number;
  /** Of the copy, as estimated. */
  seconds: number;
}

/** A foreign key whose tables will live apart. */
export interface Cut {
  name: string;
  from: string;
  fromColumns: readonly string[];
  to: string;
  toColumns: readonly string[];
  /** Null: the table stays. */
  fromService: string | null;
  toService: string | null;
  onDelete: ForeignKey['onDelete'];
  /** The plan's `external_refs` name `to`. */
  announced: boolean;
  /** The service whose switch drops it on the source. */
  droppedBy: string;
  /** In words. */
  becomes: string;
}

export interface OrderStep {
  service: string;
  bytes: number;
  /** Cut foreign keys of its own tables that its switch drops on the source. */
  drops: number;
  /** Cut foreign keys that its switch drops from tables of services that have not moved by then. */
  dropsOfOthers: number;
  why: string;
}

export interface PlanReport extends Findings {
  plan: string;
  source: DatabaseReport;
  /** In the order of the plan. */
  services: readonly ServiceReport[];
  stay: readonly TableReport[];
  cuts: readonly Cut[];
  /** Of what has not switched yet. */
  order: readonly OrderStep[];
  estimate: {
    bytes: number;
    /** What the estimate reckons with. */
    bytesPerSecond: number;
    /** One service after the other. */
    seconds: number;
  };
}

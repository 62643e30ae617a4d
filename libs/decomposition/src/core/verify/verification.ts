export type DifferenceKind = 'missing' | 'extra' | 'changed' | 'sequence' | 'reference' | 'chain' | 'schema';

/** One thing in which the sides are not equal, or in which data that has moved is broken. */
export interface Difference {
  /** Full name. */
  table: string;
  /** The texts of the key's columns; null where it is not about one row. */
  key: readonly string[] | null;
  /** `missing`: the follower has no such row; `extra`: only the follower has it. */
  kind: DifferenceKind;
  /** A sentence with the cause and both values. */
  detail: string;
  /** Those that differ. */
  columns?: readonly string[];
}

export interface TableVerification {
  /** Full name. */
  table: string;
  /** Of the authoritative side. */
  rows: number;
  ranges: number;
  /** Ranges that were compared in this run, and those that had been found equal before and have not changed since. */
  compared: number;
  skipped: number;
  rows_compared: number;
  /** Rows that changed each time they were looked at. What changes now is compared by the next run, and by the switch. */
  busy: number;
  differences: number;
}

export interface Verification {
  service: string;
  /** 100 % equal, and nothing broken. With `repair`: after it. */
  clean: boolean;
  full: boolean;
  started_at: Date;
  finished_at: Date;
  tables: TableVerification[];
  /** Rows compared, on both sides, in a second. */
  rows_per_s: number;
  /** At most MAX_LISTED; with `repair`, those that were not repaired. */
  differences: Difference[];
  /** All of them. */
  difference_count: number;
  repaired: number;
  sequences: { checked: number; behind: number };
  references: { checked: number; values: number; dangling: number };
  chains: { table: string; rows: number; broken: boolean }[];
  /** Of the schema; null when nobody looked. */
  drift: number | null;
}

export const MAX_LISTED = 1000;

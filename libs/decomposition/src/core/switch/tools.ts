import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { type Stream } from '../stream/stream.js';
import { type CutKey } from './cut-keys.js';

export interface Found {
  /** Full name. */
  table: string;
  /** The texts of the key's columns; null when it is not about one row. */
  key: readonly string[] | null;
  kind: string;
  detail: string;
}

export interface Verified {
  /** Nothing was found. */
  clean: boolean;
  tables: readonly { table: string; rows: number }[];
  /** Not necessarily all. */
  differences: readonly Found[];
}

/** What the switching verbs need of the others. */
export interface SwitchTools {
  openStream(move: Move, from: Side): Stream;
  /** Of what may have changed since the last one; of everything when `full`. */
  verify(move: Move, options: { full: boolean }): Promise<Verified>;
  /** Of what changed lately on `from`, while both sides are closed and drained. */
  verifyDelta(move: Move, from: Side): Promise<readonly Found[]>;
  /** So that the next number drawn on `to` is new on both sides. */
  advanceSequences(move: Move, to: Side): Promise<unknown>;
  /** Writes down foreign keys that are to be cut and have come since `create`. */
  noteCutKeys(move: Move): Promise<void>;
  /** Of foreign keys that were cut, those whose other table is not written to elsewhere by now: they may be made again. */
  restorable(move: Move, keys: readonly CutKey[]): Promise<readonly CutKey[]>;
  /** In which ways the tables of the two sides no longer look the same; each a sentence. */
  driftOf(move: Move): Promise<readonly string[]>;
}

/** One line a difference, at most ten. */
export function listed(found: readonly Found[]): string {
  const lines = found.slice(0, 10).map(({ table, key, kind, detail }) => {
    return `  ${table}${key ? ` (${key.join(', ')})` : ''}: ${kind}, ${detail}`;
  });
  if (found.length > lines.length) lines.push(`  and ${found.length - lines.length} more`);
  return lines.join('\n');
}

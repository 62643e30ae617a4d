import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { quoted } from '../catalogue/table.js';
import { type Comparison } from './comparison.js';
import { type Key } from './key-range.js';
import { bytesOf, hashesOf } from './row-hash.js';

const ASK_ROWS = 5000;
/** SQL for a text that is another one after any write to the row. */
export const ROW_VERSION = `concat_ws(' ', tableoid, ctid, xmin)`;

export interface RowVersion {
  hash: string;
  /** Another one once the row has been written to, even with the same values. */
  version: string;
}

/** Reads rows by their keys. @returns by the place of the key in `keys`; rows that are not there are missing */
export async function rowVersions(
  pool: pg.Pool,
  comparison: Comparison,
  keys: readonly Key[],
): Promise<Map<number, RowVersion>> {
  const found = new Map<number, RowVersion>();
  const [first, second] = hashesOf(comparison.hash, 'bytes');
  for (let start = 0; start < keys.length; start += ASK_ROWS) {
    const { rows } = await pool.query<RowVersion & { place: string }>(
      `SELECT asked.place, r.version, concat_ws(':', ${first}, ${second}) AS hash
       FROM ${rowsByKey(comparison, `${ROW_VERSION} AS version, ${bytesOf(comparison.columns)} AS bytes`)}`,
      keyArrays(comparison, keys.slice(start, start + ASK_ROWS)),
    );
    for (const { place, ...row } of rows) found.set(start + Number(place) - 1, row);
  }
  return found;
}

/** @returns SQL: `asked` with the keys of $1, $2 and so on, each with its row as `r`, by index */
export function rowsByKey(comparison: Comparison, select: string): string {
  const asked = comparison.key.map((_, index) => `k${index + 1}`);
  const arrays = asked.map((_, index) => `$${index + 1}::text[]`);
  const same = comparison.key.map(
    ({ name, type }, index) => `t.${escapeIdentifier(name)} = asked.k${index + 1}::${type}`,
  );
  // OFFSET 0 keeps the planner from making one big join of it.
  return `unnest(${arrays.join(', ')}) WITH ORDINALITY AS asked (${asked.join(', ')}, place)
    CROSS JOIN LATERAL (SELECT ${select} FROM ${quoted(comparison.table)} t WHERE ${same.join(' AND ')} OFFSET 0) r`;
}

/** The values for it. */
export function keyArrays(comparison: Comparison, keys: readonly Key[]): string[][] {
  return comparison.key.map((_, index) => keys.map((key) => key[index]!));
}

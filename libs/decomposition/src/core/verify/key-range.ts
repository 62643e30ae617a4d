import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { quoted } from '../catalogue/table.js';
import { type Comparison } from './comparison.js';

export type Key = readonly string[];

/** Keys above `low` up to and with `high`; null is the end. */
export interface KeyRange {
  low: Key | null;
  high: Key | null;
}

/** @returns SQL for the key as text[] */
export function keyTexts({ key }: Comparison): string {
  return `ARRAY[${key.map(({ name }) => `${escapeIdentifier(name)}::text`).join(', ')}]`;
}

export function keyColumns({ key }: Comparison): string {
  return key.map(({ name }) => escapeIdentifier(name)).join(', ');
}

/** @returns SQL that is true in the range, and true for all of an endless one; appends to `values` */
export function inRange(comparison: Comparison, { low, high }: KeyRange, values: unknown[]): string {
  const compare = (operator: string, key: Key): string => {
    const given = comparison.key.map(({ type }, index) => `$${values.push(key[index])}::${type}`);
    return `(${keyColumns(comparison)}) ${operator} (${given.join(', ')})`;
  };
  const terms = [...(low ? [compare('>', low)] : []), ...(high ? [compare('<=', high)] : [])];
  return terms.length > 0 ? terms.join(' AND ') : 'true';
}

/**
 * Cuts a range into such of `rows` up to twice as many rows, as the given side has them now: each next one is found from the end of
 * the one before, in the order of the key's index.
 */
export async function* cutRange(
  pool: pg.Pool,
  comparison: Comparison,
  range: KeyRange,
  rows: number,
): AsyncGenerator<KeyRange> {
  if (!comparison.ordered) {
    yield range;
    return;
  }
  let { low } = range;
  // Held back until there is another whole one behind it: the rest joins it.
  let boundary: Key | null = null;
  for (;;) {
    const next = await keyAt(pool, comparison, { low: boundary ?? low, high: range.high }, rows);
    if (!next) break;
    if (boundary) {
      yield { low, high: boundary };
      low = boundary;
    }
    boundary = next;
  }
  yield { low, high: range.high };
}

async function keyAt(pool: pg.Pool, comparison: Comparison, range: KeyRange, rows: number): Promise<Key | undefined> {
  const values: unknown[] = [];
  const where = inRange(comparison, range, values);
  const { rows: found } = await pool.query<{ key: string[] }>(
    `SELECT ${keyTexts(comparison)} AS key FROM ${quoted(comparison.table)} WHERE ${where}
     ORDER BY ${keyColumns(comparison)} OFFSET $${values.push(rows - 1)} LIMIT 1`,
    values,
  );
  return found[0]?.key;
}

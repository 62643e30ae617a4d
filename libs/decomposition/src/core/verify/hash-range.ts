import type pg from 'pg';
import { quoted } from '../catalogue/table.js';
import { type Comparison } from './comparison.js';
import { inRange, type KeyRange } from './key-range.js';
import { bytesOf, hashesOf } from './row-hash.js';

/** What a range holds on one side, in one snapshot. */
export interface RangeHash {
  rows: number;
  /** Of all its rows in any order. */
  hash: string;
  /** Changes with every row that is written or deleted; says nothing about what is in them, and has no meaning on another side. */
  versions: string;
}

/**
 * Transaction ids of the rows, added up. They are read as ages, which are numbers, and counted from the oldest there can be.
 * Any write to a row gives it a newer one; a row that goes away is missing from the count.
 */
export const VERSIONS = `coalesce(sum(age('3'::xid)::bigint - age(xmin)), 0)`;

export async function hashRange(pool: pg.Pool, comparison: Comparison, range: KeyRange): Promise<RangeHash> {
  const values: unknown[] = [];
  const where = inRange(comparison, range, values);
  const [first, second] = hashesOf(comparison.hash, 'bytes');
  const { rows } = await pool.query<{ rows: string; hash: string; versions: string }>(
    `SELECT count(*) AS rows, count(*) || '/' || ${VERSIONS} AS versions,
       concat_ws(':', coalesce(bit_xor(${first}), 0), coalesce(bit_xor(${second}), 0)) AS hash
     FROM (SELECT xmin, ${bytesOf(comparison.columns)} AS bytes FROM ${quoted(comparison.table)} WHERE ${where} OFFSET 0) r`,
    values,
  );
  const { rows: count, hash, versions } = rows[0]!;
  return { rows: Number(count), hash, versions };
}

/** Whether anything wrote to the range, much cheaper than what is in it. */
export async function versionsOf(pool: pg.Pool, comparison: Comparison, range: KeyRange): Promise<string> {
  const values: unknown[] = [];
  const where = inRange(comparison, range, values);
  const { rows } = await pool.query<{ versions: string }>(
    `SELECT count(*) || '/' || ${VERSIONS} AS versions FROM ${quoted(comparison.table)} WHERE ${where}`,
    values,
  );
  return rows[0]!.versions;
}

export function sameRows(one: RangeHash, other: RangeHash): boolean {
  return one.rows === other.rows && one.hash === other.hash;
}

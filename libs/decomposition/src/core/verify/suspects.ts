import type pg from 'pg';
import { quoted } from '../catalogue/table.js';
import { type Comparison } from './comparison.js';
import { inRange, keyTexts, type Key, type KeyRange } from './key-range.js';
import { bucketOf, bytesOf, hashesOf } from './row-hash.js';

/** Rows of both sides that are held in memory to find those that differ. */
const LIST_ROWS = 40_000;
/** Rows a bucket, where a range holds more than that. */
const BUCKET_ROWS = 10_000;

/**
 * Narrows a range that is not equal to the keys of the rows that are not: by the hashes of its rows, or, where it holds too many,
 * first by those of buckets that the keys are dealt into.
 *
 * @param rows of the side that has more
 */
export async function* suspectsOf(
  pools: readonly [pg.Pool, pg.Pool],
  comparison: Comparison,
  range: KeyRange,
  rows: number,
): AsyncGenerator<Key[]> {
  if (rows <= LIST_ROWS) {
    yield await differing(pools, comparison, range);
    return;
  }
  const buckets = Math.ceil(rows / BUCKET_ROWS);
  const [one, other] = await Promise.all(pools.map((pool) => hashBuckets(pool, comparison, range, buckets)));
  for (const bucket of new Set([...one!.keys(), ...other!.keys()]))
    if (one!.get(bucket) !== other!.get(bucket)) yield await differing(pools, comparison, range, { bucket, buckets });
}

interface Bucket {
  bucket: string;
  buckets: number;
}

async function differing(
  pools: readonly [pg.Pool, pg.Pool],
  comparison: Comparison,
  range: KeyRange,
  bucket?: Bucket,
): Promise<Key[]> {
  const [one, other] = await Promise.all(pools.map((pool) => listRows(pool, comparison, range, bucket)));
  const found: Key[] = [];
  for (const [id, row] of one!) {
    const same = other!.get(id);
    if (same?.hash !== row.hash) found.push(row.key);
    other!.delete(id);
  }
  for (const { key } of other!.values()) found.push(key);
  return found;
}

async function listRows(
  pool: pg.Pool,
  comparison: Comparison,
  range: KeyRange,
  bucket: Bucket | undefined,
): Promise<Map<string, { key: Key; hash: string }>> {
  const values: unknown[] = [];
  const terms = [inRange(comparison, range, values)];
  if (bucket)
    terms.push(
      `${bucketOf(comparison, `$${values.push(bucket.buckets)}::bigint`)} = $${values.push(bucket.bucket)}::bigint`,
    );
  const [first, second] = hashesOf(comparison.hash, 'bytes');
  const { rows } = await pool.query<{ key: string[]; hash: string }>(
    `SELECT key, concat_ws(':', ${first}, ${second}) AS hash
     FROM (SELECT ${keyTexts(comparison)} AS key, ${bytesOf(comparison.columns)} AS bytes
           FROM ${quoted(comparison.table)} WHERE ${terms.join(' AND ')} OFFSET 0) r`,
    values,
  );
  return new Map(rows.map((row) => [JSON.stringify(row.key), row]));
}

async function hashBuckets(
  pool: pg.Pool,
  comparison: Comparison,
  range: KeyRange,
  buckets: number,
): Promise<Map<string, string>> {
  const values: unknown[] = [];
  const where = inRange(comparison, range, values);
  const [first, second] = hashesOf(comparison.hash, 'bytes');
  const { rows } = await pool.query<{ bucket: string; hash: string }>(
    `SELECT bucket, concat_ws(':', count(*), bit_xor(${first}), bit_xor(${second})) AS hash
     FROM (SELECT ${bucketOf(comparison, `$${values.push(buckets)}::bigint`)} AS bucket, ${bytesOf(comparison.columns)} AS bytes
           FROM ${quoted(comparison.table)} WHERE ${where} OFFSET 0) r
     GROUP BY bucket`,
    values,
  );
  return new Map(rows.map(({ bucket, hash }) => [bucket, hash]));
}

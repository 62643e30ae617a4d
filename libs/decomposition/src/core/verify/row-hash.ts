import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { type Side } from '../side.js';
import { type Comparison, type ComparedColumn } from './comparison.js';

/**
 * A row is hashed as the bytes that `record_send` makes of it: twice as fast as its text, and as exact. Types whose bytes name
 * objects of their database (enums, regclass), or that have two forms of one text (the NaNs of a float), go in as text.
 *
 * `server`: PostgreSQL's own 64-bit hash, with two seeds. `md5`: where the two servers do not agree about that (another
 * endianness, or a version that changed it).
 */
export type HashFunction = 'server' | 'md5';

const AS_BYTES =
  /^(?:smallint|integer|bigint|numeric|boolean|uuid|bytea|text|character varying|date|interval|jsonb?|inet|cidr|(?:timestamp|time)(?:\(\d\))? with(?:out)? time zone)(?:\([\d,]+\))?(?:\[\])?$/;

const PROBE = `SELECT hash_record_extended(row('\\x67726176697461732d73706c6974'::bytea), 1)::text AS hash`;

/** Asks both servers what they can agree about. */
export async function hashFunction(databases: Readonly<Record<Side, pg.Pool>>): Promise<HashFunction> {
  const probe = async (pool: pg.Pool): Promise<string | undefined> => {
    try {
      return (await pool.query<{ hash: string }>(PROBE)).rows[0]?.hash;
    } catch (error) {
      // No such function: older than PostgreSQL 14.
      if ((error as { code?: string }).code === '42883') return undefined;
      throw error;
    }
  };
  const [source, target] = await Promise.all([probe(databases.source), probe(databases.target)]);
  return source !== undefined && source === target ? 'server' : 'md5';
}

/** @returns SQL for the bytes of the given columns of a row */
export function bytesOf(columns: readonly ComparedColumn[]): string {
  const values = columns.map(({ name, type, sameType }) =>
    sameType && AS_BYTES.test(type) ? escapeIdentifier(name) : `${escapeIdentifier(name)}::text`,
  );
  return `record_send(row(${values.join(', ')}))`;
}

/** @returns SQL for two bigints made of such bytes */
export function hashesOf(hash: HashFunction, bytes: string): [string, string] {
  return hash === 'server'
    ? [`hash_record_extended(row(${bytes}), 0)`, `hash_record_extended(row(${bytes}), 1)`]
    : ([1, 17].map((from) => `('x' || substr(md5(${bytes}), ${from}, 16))::bit(64)::bigint`) as [string, string]);
}

/** @returns SQL for a number from 0 to `buckets - 1`, the same on both sides, made of the key */
export function bucketOf({ hash, key, columns }: Comparison, buckets: string): string {
  const compared = key.map((column) => columns.find(({ name }) => name === column.name)!);
  const [first] = hashesOf(hash, bytesOf(compared));
  return `((${first} & 9007199254740991) % ${buckets})`;
}

import type pg from 'pg';

/**
 * In the binary format of COPY, values of some types speak of types or objects by their oid, which is another one elsewhere: arrays of
 * types that users made, composites, regclass and the like. Others have no binary format at all.
 * Source: array_recv and record_recv in PostgreSQL's src/backend/utils/adt.
 */
const BINARY = `
  WITH RECURSIVE based (oid, base) AS (
    SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
    UNION ALL SELECT d.oid, b.base FROM pg_type d JOIN based b ON b.oid = d.typbasetype WHERE d.typtype = 'd'
  )
  SELECT a.attrelid AS oid FROM pg_attribute a JOIN based b ON b.oid = a.atttypid JOIN pg_type t ON t.oid = b.base
  LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
  WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  GROUP BY a.attrelid
  HAVING bool_and(t.typtype IN ('b', 'e', 'r', 'm') AND t.typsend <> 0 AND t.typreceive <> 0 AND t.typname !~ '^_?reg'
    AND (t.typtype IN ('b', 'e') OR t.oid < 16384) AND (e.oid IS NULL OR e.oid < 16384 AND e.typsend <> 0 AND e.typtype <> 'c'))`;

/** Those of the tables whose rows mean the same in another database when they are copied in binary format; others need text. */
export async function binaryTables(
  database: pg.Pool | pg.ClientBase,
  tables: readonly { oid: number }[],
): Promise<Set<number>> {
  const { rows } = await database.query<{ oid: number }>(BINARY, [tables.map(({ oid }) => oid)]);
  return new Set(rows.map(({ oid }) => oid));
}

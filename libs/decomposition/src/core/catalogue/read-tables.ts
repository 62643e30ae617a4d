import type pg from 'pg';
import { fullName, parseTableName, type Column, type Table } from './table.js';

interface Row {
  schema: string;
  name: string;
  oid: number;
  partitioned: boolean;
  columns: Column[];
  key: string[];
  rows: number;
  bytes: string;
}

const TABLES = `
  WITH wanted AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname || '.' || c.relname = ANY ($1)
  )
  SELECT w.schema, w.name, w.oid, w.partitioned,
    (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                                       'notNull', a.attnotnull, 'generated', a.attgenerated <> '') ORDER BY a.attnum)
     FROM pg_attribute a WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    coalesce((SELECT json_agg(a.attname ORDER BY k.place)
     FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
     JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum = k.attnum
     WHERE i.indrelid = w.oid AND i.indisprimary), '[]') AS key,
    l.rows, l.bytes
  FROM wanted w CROSS JOIN LATERAL (
    SELECT coalesce(sum(greatest(p.reltuples, 0)), 0)::float8 AS rows,
      coalesce(sum(pg_total_relation_size(p.oid)), 0)::text AS bytes
    FROM pg_class p
    WHERE p.oid = w.oid AND NOT w.partitioned OR p.oid IN (SELECT relid FROM pg_partition_tree(w.oid) WHERE isleaf)
  ) l
  ORDER BY w.schema, w.name`;

/** Reads tables by their names in a plan, in the order of `names`; those that are not there are missing from the result. */
export async function readTables(database: pg.Pool | pg.ClientBase, names: readonly string[]): Promise<Table[]> {
  const wanted = names.map((text) => fullName(parseTableName(text)));
  const { rows } = await database.query<Row>(TABLES, [wanted]);
  return rows
    .map(({ key, rows: estimatedRows, bytes, ...row }) => ({
      ...row,
      key: key.map((name) => row.columns.find((column) => column.name === name)!),
      estimatedRows,
      bytes: Number(bytes),
    }))
    .sort((a, b) => wanted.indexOf(fullName(a)) - wanted.indexOf(fullName(b)));
}

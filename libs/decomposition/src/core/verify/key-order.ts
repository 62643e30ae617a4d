import type pg from 'pg';
import { fullName, quoted, type Table } from '../catalogue/table.js';

/** Sorted alike by every server. */
const PLAIN =
  /^(?!.*\[)(?:smallint|integer|bigint|numeric|real|double precision|boolean|uuid|bytea|oid|name|date|interval|timestamp|time)(?:$|[ (])/;
const TEXT = /^(?:text|character varying|character)(?:\(\d+\))?$/;

export interface KeyCollation {
  /** What decides the order: provider, locale, and the version of it that the server runs with. */
  order: string;
  clause: string;
}

// A server that cannot tell the version of its C library sorts like itself only. C and the built-in ones have none because they
// never change.
const COLLATIONS = `
  SELECT a.attname AS name,
    CASE WHEN c.collname = 'default' THEN '' ELSE format(' COLLATE %I.%I', n.nspname, c.collname) END AS clause,
    CASE WHEN coalesce(c.collcollate, c.locale) IN ('C', 'POSIX') AND c.provider IN ('c', 'b') THEN 'bytes'
      WHEN c.provider = 'b' THEN concat_ws('/', 'b', c.locale)
      ELSE concat_ws('/', c.provider, c.collcollate, c.locale, c.rules, coalesce(c.version,
        extract(epoch FROM pg_postmaster_start_time())::text)) END AS "order"
  FROM pg_attribute a CROSS JOIN LATERAL (
    SELECT l.collname, l.collnamespace,
      CASE WHEN l.collprovider = 'd' THEN d.datlocprovider::text ELSE l.collprovider::text END AS provider,
      CASE WHEN l.collprovider = 'd' THEN d.datcollate ELSE l.collcollate END AS collcollate,
      CASE WHEN l.collprovider = 'd' THEN to_jsonb(d) ->> 'datlocale' ELSE to_jsonb(l) ->> 'colllocale' END AS locale,
      CASE WHEN l.collprovider = 'd' THEN to_jsonb(d) ->> 'daticurules' ELSE to_jsonb(l) ->> 'collicurules' END AS rules,
      CASE WHEN l.collprovider = 'd' THEN pg_database_collation_actual_version(d.oid)
        ELSE pg_collation_actual_version(l.oid) END AS version
    FROM pg_collation l JOIN pg_database d ON d.datname = current_database() WHERE l.oid = a.attcollation
  ) c JOIN pg_namespace n ON n.oid = c.collnamespace
  WHERE a.attrelid = $1::regclass AND a.attname = ANY ($2)`;

/** Of the text columns in the tables' keys. @returns by full name, by column */
export async function readKeyCollations(
  pool: pg.Pool,
  tables: readonly Table[],
): Promise<Map<string, Map<string, KeyCollation>>> {
  const found = new Map<string, Map<string, KeyCollation>>();
  for (const table of tables) {
    const texts = table.key.filter(({ type }) => TEXT.test(type)).map(({ name }) => name);
    if (texts.length === 0) continue;
    const { rows } = await pool.query<KeyCollation & { name: string }>(COLLATIONS, [quoted(table), texts]);
    found.set(fullName(table), new Map(rows.map(({ name, ...rest }) => [name, rest])));
  }
  return found;
}

/** Whether both sides put values of the column into the same order. When in doubt, no. */
export function sameOrder(type: string, source: KeyCollation | undefined, target: KeyCollation | undefined): boolean {
  if (TEXT.test(type)) return source !== undefined && source.order === target?.order;
  return PLAIN.test(type);
}

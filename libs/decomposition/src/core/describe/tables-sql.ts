/** Options of a sequence `s` (pg_sequence), as CREATE SEQUENCE takes them. */
export const SEQUENCE_OPTIONS = `
  format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s',
    s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END)`;

const DEFAULT = `(SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum)`;

/** A NOT NULL that old rows need not meet is made later. Before PostgreSQL 18 there is none. */
const NOT_NULL = `(a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint k
  WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey[1] = a.attnum AND NOT k.convalidated))`;

/** Columns of tables (not of partitions). $1: oids */
export const COLUMNS = `
  SELECT 'column' AS kind, n.nspname || '.' || c.relname AS table, a.attname AS name, a.attnum AS place, NULL AS make,
    format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
      || CASE a.attcompression WHEN 'p' THEN ' COMPRESSION pglz' WHEN 'l' THEN ' COMPRESSION lz4' ELSE '' END
      || CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END
      || CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) %s', ${DEFAULT},
           CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END)
         WHEN a.attidentity <> '' THEN format(' GENERATED %s AS IDENTITY (%s)',
           CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, ${SEQUENCE_OPTIONS})
         ELSE coalesce(' DEFAULT ' || ${DEFAULT}, '') END
      || CASE WHEN ${NOT_NULL} THEN ' NOT NULL' ELSE '' END AS text,
    CASE WHEN a.attidentity <> '' THEN format('SEQUENCE NAME %s ', s.seqrelid::regclass) END AS sequence
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_depend i ON i.refclassid = 'pg_class'::regclass AND i.refobjid = a.attrelid AND i.refobjsubid = a.attnum
    AND i.classid = 'pg_class'::regclass AND i.deptype = 'i' AND a.attidentity <> ''
  LEFT JOIN pg_sequence s ON s.seqrelid = i.objid
  WHERE a.attrelid = ANY ($1::oid[]) AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attrelid, a.attnum`;

/** Heads of tables, without their columns. $1: oids */
export const TABLES = `
  SELECT 'table' AS kind, n.nspname || '.' || c.relname AS table, n.nspname || '.' || c.relname AS name,
    coalesce(' PARTITION BY ' || pg_get_partkeydef(c.oid), '')
      || coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '') AS text,
    format('CREATE %sTABLE %I.%I', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, n.nspname, c.relname) AS make
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = ANY ($1::oid[]) AND NOT c.relispartition ORDER BY n.nspname, c.relname`;

/** From the top down. $1: oids in that order */
export const PARTITIONS = `
  SELECT 'partition' AS kind, n.nspname || '.' || c.relname AS table, n.nspname || '.' || c.relname AS name,
    format('CREATE TABLE %I.%I PARTITION OF %s %s', n.nspname, c.relname, i.inhparent::regclass, pg_get_expr(c.relpartbound, c.oid))
      || coalesce(' PARTITION BY ' || pg_get_partkeydef(c.oid), '')
      || coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '') AS make
  FROM unnest($1::oid[]) WITH ORDINALITY AS r (oid, place) JOIN pg_class c ON c.oid = r.oid AND c.relispartition
  JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_inherits i ON i.inhrelid = c.oid ORDER BY r.place`;

/** Where a partition's column is not as its parent's. $1: oids */
export const PARTITION_COLUMNS = `
  WITH columns AS (
    SELECT a.attrelid, a.attname, a.attnotnull, a.attgenerated, a.attidentity, ${DEFAULT} AS expression FROM pg_attribute a
    WHERE a.attnum > 0 AND NOT a.attisdropped
  )
  SELECT 'partition column' AS kind, n.nspname || '.' || c.relname AS table, a.attname AS name,
    concat_ws('; ',
      CASE WHEN a.expression IS DISTINCT FROM p.expression AND a.attgenerated = '' AND a.attidentity = '' THEN
        format('ALTER TABLE ONLY %s ALTER COLUMN %I ', c.oid::regclass, a.attname) || coalesce('SET DEFAULT ' || a.expression, 'DROP DEFAULT') END,
      CASE WHEN a.attnotnull AND NOT p.attnotnull THEN
        format('ALTER TABLE ONLY %s ALTER COLUMN %I SET NOT NULL', c.oid::regclass, a.attname) END) AS make
  FROM columns a JOIN pg_class c ON c.oid = a.attrelid AND c.relispartition JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_inherits i ON i.inhrelid = c.oid JOIN columns p ON p.attrelid = i.inhparent AND p.attname = a.attname
  WHERE a.attrelid = ANY ($1::oid[]) AND (a.attnotnull AND NOT p.attnotnull
    OR a.expression IS DISTINCT FROM p.expression AND a.attgenerated = '' AND a.attidentity = '')`;

/** $1: oids */
export const STORAGE = `
  SELECT 'storage' AS kind, n.nspname || '.' || c.relname AS table, a.attname AS name,
    format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STORAGE %s', c.oid::regclass, a.attname,
      CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' ELSE 'MAIN' END) AS make
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> t.typstorage
  ORDER BY a.attrelid, a.attnum`;

/** $1: oids */
export const COMMENTS = `
  SELECT 'comment' AS kind, n.nspname || '.' || c.relname AS table, coalesce(a.attname, '') AS name, '' AS text,
    CASE WHEN d.objsubid = 0 THEN format('COMMENT ON TABLE %s IS %L', c.oid::regclass, d.description)
         ELSE format('COMMENT ON COLUMN %s.%I IS %L', c.oid::regclass, a.attname, d.description) END AS make
  FROM pg_description d JOIN pg_class c ON c.oid = d.objoid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
  WHERE d.classoid = 'pg_class'::regclass AND d.objoid = ANY ($1::oid[]) AND (d.objsubid = 0 OR NOT a.attisdropped)`;

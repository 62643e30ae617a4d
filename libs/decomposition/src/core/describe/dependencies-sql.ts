/**
 * All that the relations need and that is no table, by pg_depend: from the relations and what belongs to them (defaults, constraints,
 * indexes, triggers, policies, sequences of their own), to what those refer to, and so on, as far as it is not there in
 * every database: what initdb makes has oids below 16384, and depends on each other from 12000 on (text search, collations of the system).
 * $1: oids of relations, $2: of further functions, $3: kinds and names of what else counts if it is there. Source: PostgreSQL
 * documentation, pg_depend, and "System Catalog Declarations" on the ranges of oids.
 */
export const NEEDED = `
  WITH RECURSIVE belonging (classid, objid) AS (
    SELECT 'pg_class'::regclass::oid, oid FROM unnest($1::oid[]) oid
    UNION SELECT 'pg_proc'::regclass::oid, oid FROM unnest($2::oid[]) oid
    UNION
    SELECT o.classid, o.oid FROM jsonb_to_recordset($3::jsonb) AS also (kind text, name text) CROSS JOIN LATERAL (
      SELECT 'pg_proc'::regclass, to_regprocedure(also.name)::oid WHERE also.kind = 'function'
      UNION ALL SELECT 'pg_extension'::regclass, e.oid FROM pg_extension e WHERE also.kind = 'extension' AND e.extname = also.name
      UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE also.kind = 'type' AND n.nspname || '.' || t.typname = also.name
      UNION ALL SELECT 'pg_collation'::regclass, c.oid FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
        WHERE also.kind = 'collation' AND n.nspname || '.' || c.collname = also.name
      UNION ALL SELECT 'pg_class'::regclass, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE also.kind = 'sequence' AND n.nspname || '.' || c.relname = also.name AND c.relkind = 'S'
      UNION ALL SELECT 'pg_namespace'::regclass, n.oid FROM pg_namespace n WHERE also.kind = 'schema' AND n.nspname = also.name
    ) AS o (classid, oid) WHERE o.oid IS NOT NULL
    UNION
    SELECT d.classid, d.objid FROM pg_depend d LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1::oid[]) AND d.deptype IN ('a', 'i')
      AND (c.relkind IN ('i', 'I', 'S') OR d.classid IN ('pg_attrdef'::regclass, 'pg_policy'::regclass, 'pg_statistic_ext'::regclass)
        OR t.tgname NOT LIKE 'decomposition\\_%' AND NOT t.tgisinternal
        OR d.classid = 'pg_constraint'::regclass)
  ), needed (classid, objid) AS (
    SELECT classid, objid FROM belonging
    UNION
    SELECT next.classid, next.objid FROM needed n CROSS JOIN LATERAL (
      SELECT d.refclassid, d.refobjid FROM pg_depend d LEFT JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
      WHERE d.classid = n.classid AND d.objid = n.objid AND d.deptype IN ('n', 'a', 'i', 'e')
        AND (d.refclassid <> 'pg_class'::regclass OR c.relkind IN ('S', 'c')) AND d.refclassid <> 'pg_constraint'::regclass
      UNION ALL
      SELECT 'pg_class'::regclass, t.typrelid FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
      WHERE n.classid = 'pg_type'::regclass AND t.oid = n.objid
      UNION ALL
      SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k WHERE n.classid = 'pg_type'::regclass AND k.contypid = n.objid
    ) AS next (classid, objid) WHERE next.objid >= 16384
  )
  SELECT n.classid::regclass::text AS class, n.objid AS oid, pg_describe_object(n.classid, n.objid, 0) AS described
  FROM needed n WHERE n.classid IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_class'::regclass, 'pg_collation'::regclass,
      'pg_extension'::regclass, 'pg_opclass'::regclass, 'pg_operator'::regclass, 'pg_opfamily'::regclass, 'pg_ts_config'::regclass,
      'pg_ts_dict'::regclass, 'pg_am'::regclass, 'pg_namespace'::regclass)
    AND NOT n.objid = ANY ($1::oid[])
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = n.classid AND e.objid = n.objid AND e.deptype = 'e')`;

/** $1: oids */
export const SCHEMAS = `
  SELECT 'schema' AS kind, n.nspname AS name, '' AS text, format('CREATE SCHEMA IF NOT EXISTS %I', n.nspname) AS make
  FROM pg_namespace n WHERE n.oid = ANY ($1::oid[])
    AND n.nspname NOT IN ('public', 'pg_catalog', 'information_schema', 'decomposition') ORDER BY 2`;

/** $1: oids */
export const EXTENSIONS = `
  SELECT 'extension' AS kind, e.extname AS name, '' AS text,
    format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', e.extname, n.nspname) AS make
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.oid = ANY ($1::oid[]) AND e.extname <> 'plpgsql' ORDER BY 2`;

/** $1: oids */
export const COLLATIONS = `
  SELECT 'collation' AS kind, n.nspname || '.' || c.collname AS name,
    format('CREATE COLLATION %I.%I (PROVIDER = %s, DETERMINISTIC = %s, ', n.nspname, c.collname,
      CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END, c.collisdeterministic)
      || CASE c.collprovider WHEN 'c' THEN format('LC_COLLATE = %L, LC_CTYPE = %L', c.collcollate, c.collctype)
         ELSE format('LOCALE = %L', to_jsonb(c) ->> CASE WHEN to_jsonb(c) ? 'colllocale' THEN 'colllocale' ELSE 'colliculocale' END) END
      || coalesce(format(', RULES = %L', to_jsonb(c) ->> 'collicurules'), '') || ')' AS make
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = ANY ($1::oid[]) ORDER BY 2`;

/** Enums, composites and domains, in the order in which they were made. $1: oids */
export const TYPES = `
  SELECT 'type' AS kind, n.nspname || '.' || t.typname AS name, CASE t.typtype
    WHEN 'e' THEN format('CREATE TYPE %I.%I AS ENUM (%s)', n.nspname, t.typname,
      (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
    WHEN 'c' THEN format('CREATE TYPE %I.%I AS (%s)', n.nspname, t.typname,
      (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
        || CASE WHEN a.attcollation NOT IN (0, y.typcollation) THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END, ', ' ORDER BY a.attnum)
       FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
    ELSE format('CREATE DOMAIN %I.%I AS %s', n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod))
      || CASE WHEN t.typcollation NOT IN (0, b.typcollation) THEN ' COLLATE ' || t.typcollation::regcollation ELSE '' END
      || coalesce(' DEFAULT ' || t.typdefault, '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
      || coalesce((SELECT string_agg(format(' CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), '' ORDER BY k.conname)
         FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '') END AS make
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_type b ON b.oid = t.typbasetype
  WHERE t.oid = ANY ($1::oid[]) ORDER BY t.oid`;

/** $1: oids */
export const FUNCTIONS = `
  SELECT 'function' AS kind, p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS make
  FROM pg_proc p WHERE p.oid = ANY ($1::oid[]) ORDER BY p.oid`;

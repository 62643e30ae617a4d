import type pg from 'pg';

export interface ColumnType {
  /** Full name. */
  table: string;
  column: string;
  /** The column's type, that of an array's elements, or of a domain below it. */
  type: string;
  /** `typtype`: b base, c composite, d domain, e enum, r range, m multirange. */
  kind: string;
  /** The type that the rows of a table have. */
  ofTable: boolean;
  /** In `pg_catalog`: every server has it. */
  builtIn: boolean;
  extension: string | null;
}

export interface Uses {
  /** `public.totals`, or `public.history.rule_name`. */
  what: string;
  kind: 'view' | 'rule' | 'policy';
  /** The table it is on; null for a view. */
  on: string | null;
  /** Full names of tables that it reads, through views, too. */
  tables: readonly string[];
}

export interface Trigger {
  table: string;
  name: string;
  /** `schema.name(arguments)` */
  function: string;
  source: string;
  language: string;
  /** Fires for replicated rows, too. */
  always: boolean;
}

export interface Dependencies {
  types: readonly ColumnType[];
  /** Which extensions a table, its indexes, defaults, checks, policies and triggers are made with. */
  extensions: readonly { table: string; extension: string }[];
  uses: readonly Uses[];
  triggers: readonly Trigger[];
  /** Subscriptions that write to a table. */
  subscriptions: readonly { table: string; name: string }[];
}

const NAME = (alias: string): string =>
  `(SELECT nspname FROM pg_namespace WHERE oid = ${alias}.relnamespace) || '.' || ${alias}.relname`;

const TYPES = `
  WITH RECURSIVE found AS (
    SELECT a.attrelid, a.attnum, a.attname, a.atttypid AS type FROM pg_attribute a
    WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT f.attrelid, f.attnum, f.attname, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END
    FROM found f JOIN pg_type t ON t.oid = f.type WHERE t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0
  )
  SELECT ${NAME('c')} AS "table", f.attname AS "column", format_type(t.oid, NULL) AS type, t.typtype AS kind,
    n.nspname = 'pg_catalog' AS "builtIn", EXISTS (SELECT FROM pg_class r WHERE r.oid = t.typrelid AND r.relkind <> 'c') AS "ofTable",
    (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
     WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e') AS extension
  FROM found f JOIN pg_class c ON c.oid = f.attrelid JOIN pg_type t ON t.oid = f.type JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE t.typcategory <> 'A' OR t.typelem = 0
  ORDER BY 1, f.attnum, 3`;

/** What a table is made of, and what that in turn is made with, without going on through other tables. */
const EXTENSIONS = `
  WITH RECURSIVE members AS (
    SELECT t.root, t.root AS oid FROM unnest($1::oid[]) AS t (root)
    UNION SELECT t.root, p.relid FROM unnest($1::oid[]) AS t (root), pg_partition_tree(t.root) p
  ), needed (root, classid, objid) AS (
    SELECT m.root, o.classid, o.objid FROM members m CROSS JOIN LATERAL (
      SELECT 'pg_class'::regclass::oid, m.oid
      UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = m.oid
      UNION ALL SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid = m.oid
      UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = m.oid AND contype <> 'f'
      UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgrelid = m.oid AND NOT tgisinternal
      UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid = m.oid
    ) AS o (classid, objid)
    UNION
    SELECT n.root, d.refclassid, d.refobjid FROM needed n JOIN pg_depend d ON d.classid = n.classid AND d.objid = n.objid
    WHERE d.refclassid NOT IN ('pg_class'::regclass, 'pg_namespace'::regclass, 'pg_extension'::regclass)
  )
  SELECT DISTINCT ${NAME('c')} AS "table", e.extname AS extension
  FROM needed n JOIN pg_depend d ON d.classid = n.classid AND d.objid = n.objid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_class c ON c.oid = n.root
  WHERE e.extname <> 'plpgsql' ORDER BY 1, 2`;

const USES = `
  WITH RECURSIVE direct AS (
    SELECT r.oid AS classed, 'rule' AS kind, r.rulename AS name, r.ev_class AS "on", d.refobjid AS used
    FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE d.refclassid = 'pg_class'::regclass AND (d.refobjid <> r.ev_class OR r.rulename <> '_RETURN')
    UNION
    SELECT p.oid, 'policy', p.polname, p.polrelid, d.refobjid
    FROM pg_policy p JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> p.polrelid
  ), reached AS (
    SELECT * FROM direct
    UNION
    SELECT r.classed, r.kind, r.name, r."on", v.used
    FROM reached r JOIN direct v ON v."on" = r.used AND v.kind = 'rule' AND v.name = '_RETURN'
  )
  SELECT CASE WHEN o.relkind IN ('v', 'm') THEN 'view' ELSE r.kind END AS kind,
    CASE WHEN o.relkind IN ('v', 'm') THEN ${NAME('o')} ELSE ${NAME('o')} || '.' || r.name END AS what,
    CASE WHEN o.relkind NOT IN ('v', 'm') THEN ${NAME('o')} END AS "on",
    json_agg(DISTINCT ${NAME('u')}) AS tables
  FROM reached r JOIN pg_class o ON o.oid = r."on" JOIN pg_class u ON u.oid = r.used AND u.relkind IN ('r', 'p', 'f')
  WHERE o.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  GROUP BY r.classed, r.kind, r.name, o.oid, o.relkind, o.relname, o.relnamespace ORDER BY 2`;

const TRIGGERS = `
  SELECT ${NAME('c')} AS "table", t.tgname AS name, p.oid::regprocedure::text AS function, p.prosrc AS source,
    l.lanname AS language, t.tgenabled IN ('A', 'R') AS always
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang
  WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname NOT LIKE 'decomposition%'
    AND p.pronamespace IS DISTINCT FROM to_regnamespace('decomposition')
  ORDER BY 1, 2`;

/** Those of the tool itself feed the source once a service has switched. */
const SUBSCRIPTIONS = `
  SELECT ${NAME('c')} AS "table", s.subname AS name
  FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_class c ON c.oid = r.srrelid
  WHERE r.srrelid = ANY ($1::oid[]) AND s.subname !~ '(decomposition|split)' ORDER BY 1, 2`;

/** What the tables of a database hang on, as far as its catalogue knows. @param tables their oids */
export async function readDependencies(database: pg.Pool, tables: readonly number[]): Promise<Dependencies> {
  const read = async <R extends pg.QueryResultRow>(sql: string, values: unknown[] = [tables]): Promise<R[]> =>
    (await database.query<R>(sql, values)).rows;
  return {
    types: await read<ColumnType>(TYPES),
    extensions: await read<{ table: string; extension: string }>(EXTENSIONS),
    uses: await read<Uses>(USES, []),
    triggers: await read<Trigger>(TRIGGERS),
    subscriptions: await read<{ table: string; name: string }>(SUBSCRIPTIONS),
  };
}

/**
 * Constraints that a relation has by itself, and not from the table that it is a partition of. Foreign keys only among the relations.
 * One that is not validated is made so, after the copy: old rows need not meet it. $1: oids
 */
export const CONSTRAINTS = `
  SELECT CASE k.contype WHEN 'c' THEN 'check' WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'x' THEN 'exclusion'
      WHEN 'n' THEN 'not null' ELSE 'foreign key' END AS kind,
    n.nspname || '.' || c.relname AS table, k.conname AS name,
    regexp_replace(pg_get_constraintdef(k.oid), CASE k.contype WHEN 'f' THEN ' NOT VALID$' ELSE '^$' END, '') AS text,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.oid::regclass, k.conname, pg_get_constraintdef(k.oid))
      || CASE WHEN k.contype = 'f' AND k.convalidated AND NOT (c.relkind = 'p' AND current_setting('server_version_num')::int < 180000)
         THEN ' NOT VALID' ELSE '' END AS make,
    format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.oid::regclass, k.conname) AS unmake,
    k.contype IN ('u', 'x', 'f') OR NOT k.convalidated AS deferred
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE k.conrelid = ANY ($1::oid[]) AND k.conparentid = 0 AND k.coninhcount = 0
    AND (k.contype IN ('p', 'u', 'x', 'c') OR k.contype = 'n' AND NOT k.convalidated OR k.contype = 'f' AND k.confrelid = ANY ($1::oid[]))
  ORDER BY array_position(ARRAY['c', 'p', 'u', 'x', 'n', 'f'], k.contype::text), 2, 3`;

/** The second half of foreign keys that are valid on this side. $1: oids */
export const VALIDATIONS = `
  SELECT 'validation' AS kind, n.nspname || '.' || c.relname AS table, k.conname || ' (validated)' AS name,
    pg_get_constraintdef(k.oid) AS text, format('ALTER TABLE %s VALIDATE CONSTRAINT %I', c.oid::regclass, k.conname) AS make,
    true AS deferred
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE k.conrelid = ANY ($1::oid[]) AND k.confrelid = ANY ($1::oid[]) AND k.contype = 'f' AND k.conparentid = 0 AND k.convalidated
  ORDER BY 2, 3`;

/** Indexes that no constraint has made, and that belong to no index of a partitioned table. $1: oids */
export const INDEXES = `
  SELECT 'index' AS kind, n.nspname || '.' || c.relname AS table, x.relname AS name, true AS deferred,
    replace(pg_get_indexdef(i.indexrelid), format('INDEX %I ON ', x.relname), 'INDEX ON ') AS text,
    replace(pg_get_indexdef(i.indexrelid), format('INDEX %I ON ONLY ', x.relname), format('INDEX %I ON ', x.relname)) AS make,
    format('DROP INDEX IF EXISTS %I.%I', n.nspname, x.relname) AS unmake
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = i.indexrelid)
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
  ORDER BY 2, 3`;

/** $1: oids */
export const STATISTICS = `
  SELECT 'statistics' AS kind, n.nspname || '.' || c.relname AS table, e.stxname AS name, true AS deferred,
    replace(pg_get_statisticsobjdef(e.oid), format(' %I.%I ', m.nspname, e.stxname), ' ') AS text,
    pg_get_statisticsobjdef(e.oid) AS make, format('DROP STATISTICS IF EXISTS %I.%I', m.nspname, e.stxname) AS unmake
  FROM pg_statistic_ext e JOIN pg_class c ON c.oid = e.stxrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_namespace m ON m.oid = e.stxnamespace WHERE e.stxrelid = ANY ($1::oid[]) ORDER BY 2, 3`;

/** By an index that is made later, it is set later, too. $1: oids */
export const REPLICA_IDENTITIES = `
  SELECT 'replica identity' AS kind, n.nspname || '.' || c.relname AS table, 'replica identity' AS name,
    format('ALTER TABLE ONLY %s REPLICA IDENTITY %s', c.oid::regclass,
      CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE format('USING INDEX %I', x.relname) END) AS make,
    format('ALTER TABLE ONLY %s REPLICA IDENTITY DEFAULT', c.oid::regclass) AS unmake,
    c.relreplident = 'i' AND NOT i.indisprimary AS deferred
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident LEFT JOIN pg_class x ON x.oid = i.indexrelid
  WHERE c.oid = ANY ($1::oid[]) AND (c.relreplident IN ('f', 'n') OR i.indisreplident) ORDER BY 2`;

/** The application's, and whether they fire. $1: oids */
export const TRIGGERS = `
  SELECT 'trigger' AS kind, n.nspname || '.' || c.relname AS table, t.tgname AS name, true AS deferred,
    pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'O' THEN ''
      ELSE format('; ALTER TABLE %s %s TRIGGER %I', c.oid::regclass,
        CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname) END AS make,
    format('DROP TRIGGER IF EXISTS %I ON %s', t.tgname, c.oid::regclass) AS unmake
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname NOT LIKE 'decomposition\\_%'
  ORDER BY 2, 3`;

/** $1: oids */
export const ROW_SECURITY = `
  SELECT 'row security' AS kind, n.nspname || '.' || c.relname AS table, 'row security' AS name,
    concat_ws('; ', CASE WHEN c.relrowsecurity THEN format('ALTER TABLE ONLY %s ENABLE ROW LEVEL SECURITY', c.oid::regclass) END,
      CASE WHEN c.relforcerowsecurity THEN format('ALTER TABLE ONLY %s FORCE ROW LEVEL SECURITY', c.oid::regclass) END) AS make
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = ANY ($1::oid[]) AND (c.relrowsecurity OR c.relforcerowsecurity) ORDER BY 2`;

/** Of those that a policy is for, the roles that are known elsewhere; without one left there is no policy. $1: oids, $2: roles */
export const POLICIES = `
  SELECT 'policy' AS kind, n.nspname || '.' || c.relname AS table, p.polname AS name,
    format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, c.oid::regclass,
      CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
      CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, r.roles)
      || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
      || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '') AS make
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (
    SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(a.rolname) END, ', ' ORDER BY a.rolname) AS roles
    FROM unnest(p.polroles) role LEFT JOIN pg_roles a ON a.oid = role WHERE role = 0 OR a.rolname = ANY ($2)
  ) r
  WHERE p.polrelid = ANY ($1::oid[]) AND r.roles IS NOT NULL ORDER BY 2, 3`;

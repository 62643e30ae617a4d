import type pg from 'pg';
import { type Relation } from '../describe/schema-object.js';
import { type SequenceName } from '../describe/describe.js';

interface Wanted {
  relations: readonly Relation[];
  sequences: readonly SequenceName[];
  functions: readonly string[];
  runtime: string;
  /** All logins but the owner. */
  logins: readonly string[];
}

/** What a role holds by itself, or by roles it is in: not what everybody has. Superusers hold everything, which says nothing. */
const HELD = `
  WITH roles AS (SELECT oid, rolname FROM pg_roles WHERE rolname = ANY ($2) AND NOT rolsuper),
  held AS (
    SELECT r.rolname AS role, c.oid, p.privilege, NULL AS column FROM roles r, pg_class c,
      unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p (privilege)
    WHERE c.oid = ANY ($1::oid[]) AND has_table_privilege(r.oid, c.oid, p.privilege)
    UNION ALL
    SELECT r.rolname, c.oid, p.privilege, a.attname FROM roles r, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p (privilege),
      pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attacl IS NOT NULL
    WHERE c.oid = ANY ($1::oid[]) AND has_column_privilege(r.oid, c.oid, a.attnum, p.privilege)
      AND NOT has_table_privilege(r.oid, c.oid, p.privilege)
  ), known AS (
    SELECT DISTINCT role FROM held WHERE "column" IS NOT NULL OR NOT has_table_privilege('public', oid, privilege)
  )
  SELECT role, format('GRANT %s%s ON %s TO %I', privilege, CASE WHEN "column" IS NULL THEN '' ELSE format(' (%I)', "column") END,
    oid::regclass, role) AS sql
  FROM held WHERE role IN (SELECT role FROM known) ORDER BY oid, role, privilege`;

const HELD_ON_SEQUENCES = `
  SELECT format('GRANT %s ON SEQUENCE %s TO %I', p, s.oid::regclass, r.rolname) AS sql
  FROM pg_roles r, unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) p,
    (SELECT format('%I.%I', x ->> 'schema', x ->> 'name')::regclass AS oid FROM jsonb_array_elements($1::jsonb) x) s
  WHERE r.rolname = ANY ($2) AND has_sequence_privilege(r.oid, s.oid, p) ORDER BY 1`;

/** Functions that not everybody may call. */
const CLOSED_FUNCTIONS = `
  SELECT f.oid::regprocedure::text AS name,
    coalesce((SELECT json_agg(quote_ident(r.rolname)) FROM pg_roles r
      WHERE r.rolname = ANY ($2) AND NOT r.rolsuper AND has_function_privilege(r.oid, f.oid, 'EXECUTE')), '[]') AS callers
  FROM (SELECT name::regprocedure AS oid FROM unnest($1::text[]) name) f
  WHERE NOT has_function_privilege('public', f.oid, 'EXECUTE')`;

/**
 * Statements that give each login on the target what the role of its name has on the source. Of whom the source knows nothing (a new
 * role, or one that is a superuser there), the runtime login gets to read and write all tables, and others get nothing.
 */
export async function readGrants(source: pg.Pool, wanted: Wanted): Promise<string[]> {
  const { relations, sequences, functions, runtime, logins } = wanted;
  const client = await source.connect();
  try {
    await client.query('BEGIN READ ONLY; SET LOCAL search_path = pg_catalog');
    const held = await client.query<{ role: string; sql: string }>(HELD, [relations.map(({ oid }) => oid), logins]);
    const known = [...new Set(held.rows.map(({ role }) => role))];
    const onSequences = await client.query<{ sql: string }>(HELD_ON_SEQUENCES, [JSON.stringify(sequences), known]);
    const closed = await client.query<{ name: string; callers: string[] }>(CLOSED_FUNCTIONS, [functions, logins]);
    const fresh = known.includes(runtime) ? [] : await allOf(client, relations, sequences, runtime);
    await client.query('COMMIT');
    return [
      ...(await usageOf(client, relations, sequences, logins)),
      ...held.rows.map(({ sql }) => sql),
      ...onSequences.rows.map(({ sql }) => sql),
      ...fresh,
      ...closed.rows.flatMap(({ name, callers }) => [
        `REVOKE ALL ON FUNCTION ${name} FROM PUBLIC`,
        ...callers.map((caller) => `GRANT EXECUTE ON FUNCTION ${name} TO ${caller}`),
      ]),
    ];
  } finally {
    client.release();
  }
}

async function allOf(
  client: pg.ClientBase,
  relations: readonly Relation[],
  sequences: readonly SequenceName[],
  runtime: string,
): Promise<string[]> {
  const { rows } = await client.query<{ sql: string }>(
    `SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO %I', x ->> 'schema', x ->> 'name', $3::text) AS sql
     FROM jsonb_array_elements($1::jsonb) x WHERE x ->> 'level' = '0'
     UNION ALL SELECT format('GRANT USAGE ON SEQUENCE %I.%I TO %I', x ->> 'schema', x ->> 'name', $3::text) FROM jsonb_array_elements($2::jsonb) x`,
    [JSON.stringify(relations), JSON.stringify(sequences), runtime],
  );
  return rows.map(({ sql }) => sql);
}

async function usageOf(
  client: pg.ClientBase,
  relations: readonly Relation[],
  sequences: readonly SequenceName[],
  logins: readonly string[],
): Promise<string[]> {
  const schemas = [...new Set([...relations, ...sequences].map(({ schema }) => schema))];
  const { rows } = await client.query<{ sql: string }>(
    `SELECT format('GRANT USAGE ON SCHEMA %I TO %I', schema, login) AS sql FROM unnest($1::text[]) schema, unnest($2::text[]) login ORDER BY 1`,
    [schemas, logins],
  );
  return rows.map(({ sql }) => sql);
}

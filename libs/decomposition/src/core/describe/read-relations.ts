import type pg from 'pg';
import { type ObjectKind, type Relation, type SchemaObject } from './schema-object.js';

const RELATIONS = `
  WITH RECURSIVE found AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS root, 0 AS level FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname || '.' || c.relname = ANY ($1)
    UNION ALL
    SELECT i.inhrelid, f.root, f.level + 1 FROM found f JOIN pg_inherits i ON i.inhparent = f.oid AND NOT i.inhdetachpending
  )
  SELECT f.oid, n.nspname AS schema, c.relname AS name, f.root, f.level,
    c.relkind = 'f' OR (f.level > 0 AND NOT c.relispartition) OR c.reloftype <> 0
      OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid AND NOT c.relispartition) AS odd
  FROM found f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  ORDER BY f.root, f.level, n.nspname, c.relname`;

/** Tables with all of their partitions. @returns `odd`: full names of those that are foreign, typed, or inherit in the old way */
export async function readRelations(
  client: pg.ClientBase,
  names: readonly string[],
): Promise<{ relations: Relation[]; odd: string[] }> {
  const { rows } = await client.query<Relation & { odd: boolean }>(RELATIONS, [names]);
  return {
    relations: rows.map(({ oid, schema, name, root, level }) => ({ oid, schema, name, root, level })),
    odd: rows.filter((row) => row.odd).map(({ schema, name }) => `${schema}.${name}`),
  };
}

/** Runs a query that is given the relations' oids as $1, and answers with objects. */
export async function readObjects(
  client: pg.ClientBase,
  sql: string,
  values: readonly unknown[],
): Promise<SchemaObject[]> {
  const { rows } = await client.query<Partial<SchemaObject> & { kind: ObjectKind; make: string | null }>(sql, [
    ...values,
  ]);
  return rows.map(({ kind, table = '', name = '', text, make, unmake = null, deferred = false }) => ({
    ...{ kind, table, name, text: text ?? make ?? '', make, unmake, deferred },
  }));
}

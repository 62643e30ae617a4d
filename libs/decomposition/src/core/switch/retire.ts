import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { readTables } from '../catalogue/read-tables.js';
import { fullName, parseTableName, quoted, type Table } from '../catalogue/table.js';
import { SplitError } from '../errors.js';
import { removeFence } from '../fence/fence.js';
import { lockedTransaction } from '../fence/locked-transaction.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { type Plan, type ServicePlan } from '../plan/plan.js';

/** Where the source's tables wait to be dropped; those of schemas other than `public` each in one of its own. */
export const RETIRED_SCHEMA = 'decomposition_retired';
const LOCK_TIMEOUT_MS = 30_000;
const STILL_NEEDED = '2BP01';

function retiredSchema(schema: string): string {
  return schema === 'public' ? RETIRED_SCHEMA : `${RETIRED_SCHEMA}_${schema}`.slice(0, 63);
}

function retiredNames({ tables }: Pick<ServicePlan, 'tables'>): string[] {
  return tables.map((text) => {
    const { schema, name } = parseTableName(text);
    return `${retiredSchema(schema)}.${name}`;
  });
}

/** The service's tables that are still in their place on the source. */
export function tablesInPlace({ databases, service }: Move): Promise<Table[]> {
  return readTables(databases.source, service.tables);
}

export function retiredTables({ databases, service }: Move): Promise<Table[]> {
  return readTables(databases.source, retiredNames(service));
}

/** Views, and foreign keys of other tables, that need the tables on the source. Each a phrase. */
export async function dependentsOf(move: Move): Promise<string[]> {
  const tables = await tablesInPlace(move);
  const { rows } = await move.databases.source.query<{ text: string }>(
    `WITH ours AS (
       SELECT coalesce(p.relid, w.oid) AS oid FROM unnest($1::oid[]) w (oid) LEFT JOIN pg_partition_tree(w.oid) p ON true)
     SELECT DISTINCT format('%s %I.%I', CASE v.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, n.nspname, v.relname) AS text
     FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
     JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace n ON n.oid = v.relnamespace
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM ours) AND v.oid NOT IN (SELECT oid FROM ours)
     UNION
     SELECT format('foreign key %I of %I.%I', k.conname, n.nspname, c.relname)
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (SELECT oid FROM ours) AND k.conrelid NOT IN (SELECT oid FROM ours)
     ORDER BY 1`,
    [tables.map(({ oid }) => oid)],
  );
  return rows.map(({ text }) => text);
}

/** Whether a drop has not come to its end: the last step of it takes the target's fence away. */
export async function isLeftToDrop(move: Move): Promise<boolean> {
  if ((await retiredTables(move)).length > 0) return true;
  const { rowCount } = await move.databases.target.query(
    `SELECT FROM pg_trigger WHERE tgname LIKE 'decomposition\\_fence%' LIMIT 1`,
  );
  return rowCount === 1;
}

/** Puts the source's tables aside: whoever still looks for them finds out now, while they could still be put back. Idempotent. */
export async function retire(move: Move): Promise<string[]> {
  const tables = await tablesInPlace(move);
  if (tables.length === 0) return [];
  await lockedTransaction(move.databases.source, tables, { timeoutMs: LOCK_TIMEOUT_MS }, async (client) => {
    // Owned sequences, indexes and constraints go along with a table; its partitions do not.
    const { rows } = await client.query<{ schema: string; relation: string }>(
      `SELECT n.nspname AS schema, c.oid::regclass::text AS relation
       FROM unnest($1::oid[]) w (oid) LEFT JOIN pg_partition_tree(w.oid) p ON true
       JOIN pg_class c ON c.oid = coalesce(p.relid, w.oid) JOIN pg_namespace n ON n.oid = c.relnamespace`,
      [tables.map(({ oid }) => oid)],
    );
    for (const { schema, relation } of rows) {
      const aside = escapeIdentifier(retiredSchema(schema));
      await client.query(`CREATE SCHEMA IF NOT EXISTS ${aside}; ALTER TABLE ${relation} SET SCHEMA ${aside}`);
    }
  });
  return tables.map(fullName);
}

/**
 * Drops what was put aside. Idempotent.
 *
 * @throws SplitError `refused` when something needs it
 */
export async function dropRetired(move: Move): Promise<string[]> {
  const tables = await retiredTables(move);
  if (tables.length === 0) return [];
  try {
    await inTransaction(move.databases.source, async (client) => {
      await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await client.query(`DROP TABLE ${tables.map(quoted).join(', ')}`);
    });
  } catch (error) {
    if ((error as { code?: string }).code !== STILL_NEEDED) throw error;
    throw new SplitError(
      'refused',
      `The tables put aside are still needed: ${(error as { detail?: string }).detail ?? (error as Error).message}`,
      'Drop or change what needs them, and run `complete` again.',
      { cause: error },
    );
  }
  return tables.map(fullName);
}

/** Takes away what the move needed on the source, as far as no other move needs it, and the fence of the target. Idempotent. */
export async function tidy(move: Move): Promise<void> {
  const { target } = move.databases;
  await tidySource(move);
  const tables = await move.tables('target');
  await lockedTransaction(target, tables, { timeoutMs: LOCK_TIMEOUT_MS }, (client) => removeFence(client, tables));
}

/** Takes away what the move needed on the source, as far as no other move needs it. Idempotent. */
export async function tidySource(move: Move): Promise<void> {
  const { source } = move.databases;
  for (const schema of new Set(retiredNames(move.service).map((text) => parseTableName(text).schema)))
    await dropUnneeded(source, `DROP SCHEMA IF EXISTS ${escapeIdentifier(schema)}`);
  if (await hasBeats(source))
    await source.query('DELETE FROM decomposition.beats WHERE service = $1', [move.service.name]);
  if (!(await othersMove(move.plan, move.service, source)))
    for (const what of [
      'FUNCTION IF EXISTS decomposition.fence()',
      'TABLE IF EXISTS decomposition.beats',
      'SCHEMA IF EXISTS decomposition',
    ])
      await dropUnneeded(source, `DROP ${what}`);
}

async function hasBeats(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ there: boolean }>(
    `SELECT to_regclass('decomposition.beats') IS NOT NULL AS there`,
  );
  return rows[0]!.there;
}

/** Whether another service of the plan still has tables there, in their place or aside. */
async function othersMove({ services }: Plan, { name }: ServicePlan, source: pg.Pool): Promise<boolean> {
  const names = services
    .filter((service) => service.name !== name)
    .flatMap((service) => [...service.tables, ...retiredNames(service)]);
  return (await readTables(source, names)).length > 0;
}

async function dropUnneeded(pool: pg.Pool, sql: string): Promise<void> {
  try {
    await pool.query(sql);
  } catch (error) {
    if ((error as { code?: string }).code !== STILL_NEEDED) throw error;
  }
}

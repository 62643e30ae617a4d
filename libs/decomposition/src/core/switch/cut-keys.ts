import type pg from 'pg';
import { type Move } from '../move.js';

/** A foreign key of the source between tables that live apart after the switch. */
export interface CutKey {
  /** Full name. */
  table: string;
  name: string;
  make: string;
  unmake: string;
}

const IS_THERE = `
  SELECT k.convalidated AS validated FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = $1 AND k.conname = $2`;

async function find(client: pg.ClientBase | pg.Pool, key: CutKey): Promise<{ validated: boolean } | undefined> {
  return (await client.query<{ validated: boolean }>(IS_THERE, [key.table, key.name])).rows[0];
}

/** Those that `create` wrote down. */
export async function cutKeysOf({ databases, service }: Move): Promise<CutKey[]> {
  const { rows } = await databases.target.query<CutKey>(
    `SELECT table_name AS "table", name, make, unmake FROM decomposition.deferred
     WHERE service = $1 AND side = 'source' ORDER BY place`,
    [service.name],
  );
  return rows;
}

export async function missingKeys({ databases }: Move, keys: readonly CutKey[]): Promise<boolean> {
  for (const key of keys) if (!(await find(databases.source, key))) return true;
  return false;
}

/** Takes them away, on the source, in the transaction of `client`. Waits for readers of their tables. Idempotent. */
export async function cutKeys(client: pg.ClientBase, keys: readonly CutKey[]): Promise<void> {
  for (const key of keys) if (await find(client, key)) await client.query(key.unmake);
}

/**
 * Makes them again, on the source, in the transaction of `client`: they hold for every write from then on; what was written while they
 * were cut is checked by `validateKeys`. Idempotent.
 */
export async function restoreKeys(client: pg.ClientBase, keys: readonly CutKey[]): Promise<void> {
  for (const key of keys) if (!(await find(client, key))) await client.query(notValid(key.make));
}

/**
 * Checks what was written while they were cut, without holding anybody up.
 *
 * @returns what refers to nothing now, a sentence each
 */
export async function validateKeys({ databases }: Move, keys: readonly CutKey[]): Promise<string[]> {
  const dangling: string[] = [];
  for (const key of keys) {
    const found = await find(databases.source, key);
    if (!found || found.validated) continue;
    const [schema = '', table = ''] = key.table.split('.');
    try {
      const { rows } = await databases.source.query<{ sql: string }>(
        `SELECT format('ALTER TABLE %I.%I VALIDATE CONSTRAINT %I', $1::text, $2::text, $3::text) AS sql`,
        [schema, table, key.name],
      );
      await databases.source.query(rows[0]!.sql);
    } catch (error) {
      if ((error as { code?: string }).code !== '23503') throw error;
      dangling.push(
        `${key.name} of ${key.table}: ${(error as { detail?: string }).detail ?? (error as Error).message}`,
      );
    }
  }
  return dangling;
}

/** Writes down which are there. */
export async function noteKeys({ databases, service }: Move, keys: readonly CutKey[]): Promise<void> {
  for (const key of keys) {
    const present = (await find(databases.source, key)) !== undefined;
    await databases.target.query(
      `UPDATE decomposition.deferred SET present = $4
       WHERE service = $1 AND side = 'source' AND table_name = $2 AND name = $3 AND present <> $4`,
      [service.name, key.table, key.name, present],
    );
  }
}

const NOT_VALID = /\bNOT\s+VALID\s*;?\s*$/i;

function notValid(make: string): string {
  return NOT_VALID.test(make) ? make : `${make.replace(/;\s*$/, '')} NOT VALID`;
}

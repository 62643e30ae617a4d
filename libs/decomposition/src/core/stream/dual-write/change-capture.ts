import type pg from 'pg';
import { quoted, type Table } from '../../catalogue/table.js';
import {
  functionPrefix,
  logFunction,
  rowTrigger,
  triggerNames,
  truncateTrigger,
  type LogOf,
} from './change-trigger.js';
import { DROP_LOG_SCHEMA, LOG_SCHEMA } from './log-schema.js';
import { withShortLocks } from './short-locks.js';

const TIMEOUT_MS = 60_000;
/** One at a time makes or drops what all streams of a database share. */
const SCHEMA_LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('decomposition.changes', 0))`;

/**
 * From when it resolves on, the tables' changed keys are logged: making a trigger waits for transactions that have written. Does
 * only what is not done yet, and takes no lock when there is nothing, so that it may be repeated for partitions made since.
 *
 * @throws SplitError `timeout`
 */
export async function installLog(
  pool: pg.Pool,
  tables: readonly Table[],
  log: LogOf,
  signal: AbortSignal,
): Promise<void> {
  const options = { timeoutMs: TIMEOUT_MS, signal };
  await withShortLocks(pool, { ...options, what: 'the log of changes' }, async (client) => {
    await client.query(SCHEMA_LOCK);
    await client.query(LOG_SCHEMA);
    for (const table of tables) await client.query(logFunction(table, log));
    if (!log.halves)
      await client.query(
        'INSERT INTO decomposition.dual_streams (service, from_side) VALUES ($1, $2) ON CONFLICT DO NOTHING',
        [log.service, log.from],
      );
  });
  for (const table of tables)
    await withShortLocks(pool, { ...options, what: `the log of changes of ${table.name}` }, async (client) => {
      for (const statement of await missingTriggers(client, table, log)) await client.query(statement);
    });
}

/**
 * Takes away what `installLog` made, also from tables that have another name by now. Idempotent.
 *
 * @throws SplitError `timeout`
 */
export async function removeLog(pool: pg.Pool, log: Omit<LogOf, 'halves'>, signal: AbortSignal): Promise<void> {
  const options = { what: 'removing the log of changes', timeoutMs: TIMEOUT_MS, signal };
  const { rows } = await pool.query<{ name: string }>(
    `SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'decomposition' AND starts_with(p.proname, $1)`,
    [functionPrefix(log)],
  );
  // The triggers go with their functions: one table after the other, so that no two locks are waited for at once.
  for (const { name } of rows)
    await withShortLocks(pool, options, (client) => client.query(`DROP FUNCTION IF EXISTS ${name} CASCADE`));
  await withShortLocks(pool, options, async (client) => {
    await client.query(SCHEMA_LOCK);
    const { rows: left } = await client.query<{ tables: boolean; streams: boolean }>(
      `SELECT to_regclass('decomposition.changes') IS NOT NULL AS tables, EXISTS (
         SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = 'decomposition' AND p.proname LIKE 'log\\_%') AS streams`,
    );
    if (!left[0]!.tables) return;
    if (!left[0]!.streams) await client.query(DROP_LOG_SCHEMA);
    else
      for (const table of ['changes', 'changed_keys', 'dual_streams'])
        await client.query(`DELETE FROM decomposition.${table} WHERE service = $1 AND from_side = $2`, [
          log.service,
          log.from,
        ]);
  });
}

async function missingTriggers(client: pg.ClientBase, table: Table, log: LogOf): Promise<string[]> {
  const names = triggerNames(log.from);
  const { rows } = await client.query<{ relation: string; truncate: boolean }>(
    `SELECT r.relid::regclass::text AS relation, wanted.truncate
     FROM (SELECT $1::regclass UNION SELECT relid FROM pg_partition_tree($1::regclass) WHERE isleaf) AS r (relid)
     CROSS JOIN (VALUES ($2, false), ($3, true)) AS wanted (name, truncate)
     WHERE (wanted.truncate OR r.relid = $1::regclass)
       AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r.relid AND t.tgname = wanted.name AND t.tgenabled = 'O')`,
    [quoted(table), names.rows, names.truncate],
  );
  return rows
    .filter(({ truncate }) => !(truncate && log.halves))
    .map(({ relation, truncate }) => (truncate ? truncateTrigger(relation, table, log) : rowTrigger(table, log)));
}

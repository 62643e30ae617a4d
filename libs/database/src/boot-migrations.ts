import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { errorMessage } from '#errors';
import { isConnectionError } from './connection-errors.js';
import { dataSourceOptions, MIGRATIONS_TABLE, type DatabaseOptions } from './data-source.js';
import { DatabaseNewerError, DatabaseUnavailableError, MigrationFailedError } from './migration-errors.js';

export interface MigrateOptions extends DatabaseOptions {
  log?: (message: string) => void;
  /** How long to wait for the database to answer. Milliseconds. */
  connectTimeoutMs?: number;
  /** How long to wait for another instance that is migrating. Milliseconds. */
  lockTimeoutMs?: number;
}

/** Any constant will do: advisory locks are per database. */
const LOCK_KEY = 4_283_119_270;
const POLL_MS = 200;

/**
 * Brings the database to this version's schema. Instances that boot together take turns under an advisory lock, which is
 * held by a connection of its own: `options.url` must reach PostgreSQL itself, not a pooler in transaction mode.
 *
 * @returns the names of the migrations that were run, in order; none when the schema was up to date
 * @throws MigrationFailedError with the migration's name and PostgreSQL's message
 * @throws DatabaseNewerError when the database holds migrations that this code does not know
 * @throws DatabaseUnavailableError when there is no connection, or no turn, in time
 */
export async function migrateAtBoot(options: MigrateOptions): Promise<string[]> {
  const lock = await connect(options);
  try {
    await takeTurn(lock, options);
    const known = options.migrations.map((migration) => migration.name);
    const executed = await executedMigrations(lock, options);
    const unknown = executed.filter((name) => !known.includes(name));
    if (unknown.length > 0) throw new DatabaseNewerError(options.service, unknown);
    const pending = known.filter((name) => !executed.includes(name));
    if (pending.length > 0) await run(options, pending, lock);
    if (known.length > 0) await grantReadOfHistory(lock, options);
    return pending;
  } finally {
    // Ending the session gives the lock back, whatever happened.
    await lock.end().catch(() => undefined);
  }
}

async function connect(options: MigrateOptions): Promise<pg.Client> {
  const deadline = Date.now() + (options.connectTimeoutMs ?? 30_000);
  for (let attempt = 1; ; attempt++) {
    const client = new pg.Client({
      connectionString: options.url,
      application_name: `gravitas-${options.service}-migrations`,
      connectionTimeoutMillis: 5000,
    });
    // Without a listener a lost connection would be an uncaught exception; the next query reports it.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (!isConnectionError(error) || Date.now() > deadline)
        throw new DatabaseUnavailableError(
          `${options.service}: cannot connect to its database: ${errorMessage(error)}`,
          error,
        );
      if (attempt === 1) options.log?.(`waiting for the database: ${errorMessage(error)}`);
      await sleep(POLL_MS);
    }
  }
}

async function takeTurn(client: pg.Client, options: MigrateOptions): Promise<void> {
  const deadline = Date.now() + (options.lockTimeoutMs ?? 120_000);
  for (let waits = 0; ; waits++) {
    const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [LOCK_KEY]);
    if (rows[0]?.mine) return;
    if (waits === 0) options.log?.('another instance is migrating this database; waiting for it');
    if (Date.now() > deadline)
      throw new DatabaseUnavailableError(
        `${options.service}: another instance has held the migration lock for too long; see pg_locks (locktype advisory)`,
      );
    await sleep(POLL_MS);
  }
}

async function executedMigrations(
  client: pg.Client,
  { migrationsTable = MIGRATIONS_TABLE }: MigrateOptions,
): Promise<string[]> {
  const table = pg.escapeIdentifier(migrationsTable);
  const { rows } = await client.query<{ present: boolean }>('SELECT to_regclass($1) IS NOT NULL AS present', [table]);
  if (!rows[0]?.present) return [];
  const executed = await client.query<{ name: string }>(`SELECT name FROM ${table} ORDER BY id`);
  return executed.rows.map((row) => row.name);
}

async function run(options: MigrateOptions, pending: readonly string[], lock: pg.Client): Promise<void> {
  const dataSource = new DataSource(dataSourceOptions({ ...options, poolSize: 2 }));
  try {
    await dataSource.initialize();
    await dataSource.runMigrations({ transaction: 'each' });
  } catch (error) {
    const done = await executedMigrations(lock, options).catch((): string[] => []);
    throw new MigrationFailedError(
      options.service,
      pending.find((name) => !done.includes(name)) ?? 'bookkeeping',
      error,
    );
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}

/**
 * So that a service which runs without the owner's URL can still tell whether its schema is the right one. Only its owner can give
 * that right, and only where it is missing is it given.
 */
async function grantReadOfHistory(
  client: pg.Client,
  { runtimeRole, migrationsTable = MIGRATIONS_TABLE }: MigrateOptions,
): Promise<void> {
  const { rows } = await client.query<{ quoted: string }>(
    `SELECT quote_ident($1) AS quoted FROM pg_tables
     WHERE tablename = $2 AND schemaname = current_schema AND tableowner = current_user
       AND current_user <> $1 AND NOT has_table_privilege($1, quote_ident($2), 'SELECT')`,
    [runtimeRole, migrationsTable],
  );
  if (rows[0]) await client.query(`GRANT SELECT ON ${pg.escapeIdentifier(migrationsTable)} TO ${rows[0].quoted}`);
}

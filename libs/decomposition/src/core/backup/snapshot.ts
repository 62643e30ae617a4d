import type pg from 'pg';
import { escapeLiteral } from 'pg';
import { quoted } from '../catalogue/table.js';
import { type SequenceName } from '../describe/describe.js';
import { SplitError } from '../errors.js';
import { readCluster } from '../plan/read/database-facts.js';
import { type Manifest } from './manifest.js';

/** One moment of a database, for several connections. */
export interface Snapshot {
  lsn: string;
  time: string;
  source: Manifest['source'];
  /** On the connection that keeps it. */
  use: <T>(work: (client: pg.ClientBase) => Promise<T>) => Promise<T>;
  /** On another one. */
  within: <T>(pool: pg.Pool, work: (client: pg.ClientBase) => Promise<T>) => Promise<T>;
  close: () => Promise<void>;
}

const ABOUT = `
  SELECT pg_export_snapshot() AS id, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time,
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn,
    current_database() AS database,
    current_setting('server_version') AS version`;

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY';

/** Source: PostgreSQL documentation, "Snapshot Synchronization Functions". */
export async function openSnapshot(pool: pg.Pool): Promise<Snapshot> {
  const system = await readCluster(pool);
  const keeper = await pool.connect();
  // The next query reports it.
  keeper.on('error', () => undefined);
  try {
    await keeper.query(BEGIN);
    const { rows } = await keeper.query<Record<'id' | 'time' | 'lsn' | 'database' | 'version', string>>(ABOUT);
    const { id, time, lsn, database, version } = rows[0]!;
    return {
      ...{ lsn, time, source: { system, database, server_version: version } },
      use: (work) => work(keeper),
      within: (other, work) => within(other, id, work),
      // With its transaction, whatever became of it.
      close: async () => keeper.release(true),
    };
  } catch (error) {
    keeper.release(true);
    throw error;
  }
}

async function within<T>(pool: pg.Pool, id: string, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  client.on('error', () => undefined);
  try {
    await client.query(`${BEGIN}; SET TRANSACTION SNAPSHOT ${escapeLiteral(id)}`);
    return await work(client);
  } finally {
    client.release(true);
  }
}

/** Where sequences are, which is no part of a snapshot: never behind it. */
export async function readSequences(
  client: pg.ClientBase,
  names: readonly SequenceName[],
): Promise<Manifest['sequences']> {
  const sequences: Manifest['sequences'] = [];
  for (const { schema, name } of names) {
    const { rows } = await client.query<{ last: string; called: boolean }>(
      `SELECT last_value::text AS last, is_called AS called FROM ${quoted({ schema, name })}`,
    );
    sequences.push({ schema, name, ...rows[0]! });
  }
  return sequences;
}

/** Ends what the pool's connections do when the run is told to stop. @throws SplitError `interrupted` */
export async function abortable<T>(pool: pg.Pool, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const pids = new Set<number>();
  const onConnect = (client: pg.PoolClient): void => {
    // pg knows it; its types do not.
    const { processID } = client as pg.PoolClient & { processID: number | null };
    if (processID !== null) pids.add(processID);
  };
  const stop = (): void => {
    pool
      .query('SELECT pg_cancel_backend(pid) FROM unnest($1::int[]) pid WHERE pid <> pg_backend_pid()', [[...pids]])
      .catch(() => undefined);
  };
  pool.on('connect', onConnect);
  signal.addEventListener('abort', stop, { once: true });
  const interrupted = (cause?: unknown): SplitError =>
    new SplitError('interrupted', 'The run was told to stop.', 'Run it again: it begins anew.', { cause });
  try {
    if (signal.aborted) throw interrupted();
    const result = await work();
    return result;
  } catch (error) {
    throw signal.aborted && !(error instanceof SplitError) ? interrupted(error) : error;
  } finally {
    signal.removeEventListener('abort', stop);
    pool.off('connect', onConnect);
  }
}

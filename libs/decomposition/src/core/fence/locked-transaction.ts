import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { quoted, type Table } from '../catalogue/table.js';
import { SplitError } from '../errors.js';
import { inTransaction } from '../in-transaction.js';

const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK = '40P01';
const QUERY_CANCELED = '57014';

export interface LockOptions {
  /** For one attempt to have all tables at once; while it waits, writers wait behind it. Milliseconds, default 300. */
  lockTimeoutMs?: number;
  /** For all attempts. Milliseconds, default 5000. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Longer than `deadlock_timeout` as it comes: only who has waited that long makes autovacuum let go of a table. */
const PATIENT_MS = 1200;
/** Between two attempts, for the writers that queued up behind the first. */
const REST_MS = 20;

/**
 * Does `work` in one transaction while nobody else writes to the tables; readers go on. All or nothing, tried again while somebody
 * else holds a lock.
 *
 * @throws SplitError `timeout` when a transaction does not end in time; nothing is changed then
 */
export async function lockedTransaction<T>(
  pool: pg.Pool,
  tables: readonly Pick<Table, 'schema' | 'name'>[],
  options: LockOptions,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  const { lockTimeoutMs = 300, timeoutMs = 5000, signal } = options;
  const deadline = Date.now() + timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    const left = Math.max(1, Math.ceil(deadline - Date.now()));
    const wait = Math.min(left, attempt < 3 ? lockTimeoutMs : Math.max(lockTimeoutMs, PATIENT_MS));
    try {
      return await inTransaction(pool, async (client) => {
        await client.query(`SET LOCAL lock_timeout = ${wait}; SET LOCAL statement_timeout = ${left + 100}`);
        await client.query(SOON_PAST_AUTOVACUUM);
        await client.query(`LOCK TABLE ${tables.map(quoted).join(', ')} IN SHARE ROW EXCLUSIVE MODE`);
        return await work(client);
      });
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK && code !== QUERY_CANCELED) throw error;
      if (Date.now() >= deadline)
        throw new SplitError(
          'timeout',
          `A transaction has held ${tables.map(({ name }) => name).join(', ')} for ${timeoutMs} ms: no lock against writes was to be had.`,
          'Look for long transactions in pg_stat_activity (xact_start) and pg_prepared_xacts, let them end, and run the verb again.',
          { cause: error },
        );
      await sleep(REST_MS);
    }
  }
}

/** Autovacuum yields to whoever has waited for `deadlock_timeout`, which only superusers may shorten. */
const SOON_PAST_AUTOVACUUM = `
  SELECT set_config('deadlock_timeout', '100ms', true) FROM pg_roles WHERE rolname = current_user AND rolsuper`;

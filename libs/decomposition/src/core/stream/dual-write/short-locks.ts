import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { SplitError } from '../../errors.js';

const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK = '40P01';
/** While a lock on a table is waited for, everybody else's writes wait behind it. */
const LOCK_TIMEOUT_MS = 200;
const PAUSE_MS = 100;

export interface ShortLocksOptions {
  /** What it is about, as the object of a sentence. */
  what: string;
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * Runs `work` in a transaction that gives up a lock that it does not get soon, and tries again.
 *
 * @throws SplitError `timeout` when others hold the locks for too long, `interrupted`
 */
export async function withShortLocks<T>(
  pool: pg.Pool,
  { what, timeoutMs, signal }: ShortLocksOptions,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (signal.aborted) throw new SplitError('interrupted', `Told to stop before ${what} was done.`, 'Run it again.');
    try {
      return await attempt(pool, work);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK) throw error;
      if (Date.now() > deadline)
        throw new SplitError(
          'timeout',
          `Others have held the tables for ${timeoutMs} ms: ${what} is not done.`,
          'Look for long transactions in pg_stat_activity (xact_start), let them end, and run the verb again.',
          { cause: error },
        );
      await sleep(PAUSE_MS);
    }
  }
}

async function attempt<T>(pool: pg.Pool, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = true;
  try {
    await client.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; SET LOCAL client_min_messages = warning`);
    const result = await work(client).catch(async (error: unknown) => {
      await client.query('ROLLBACK');
      broken = false;
      throw error;
    });
    await client.query('COMMIT');
    broken = false;
    return result;
  } finally {
    client.release(broken);
  }
}

import type pg from 'pg';
import { withConnection } from '#database';
import { NO_PATIENCE, PATIENCE } from './row-sync.js';

const LOCK = `hashtextextended('decomposition.reconcile ' || $1, 0)`;

/**
 * Lends `work` a session of the receiving side that holds the move's lock, unless another has it. The lock is the session's: when
 * it is lost, so is the session, and with it the transaction that it was in; none can write on with the right of one that is gone.
 *
 * @param waitMs how long to wait for another to let go of it
 * @returns undefined when another has it
 */
export function withReceiver<T>(
  pool: pg.Pool,
  service: string,
  work: (client: pg.ClientBase) => Promise<T>,
  waitMs = 0,
): Promise<T | undefined> {
  return withConnection(pool, async (client) => {
    if (!(await lock(client, service, waitMs))) return undefined;
    try {
      return await patiently(client, work);
    } finally {
      // A session that fails here is not given back to the pool, and its end lets go of the lock.
      await client.query(`SELECT pg_advisory_unlock(${LOCK})`, [service]).catch(() => undefined);
    }
  });
}

/** A session to read the followed side's rows. */
export function withFollowed<T>(pool: pg.Pool, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  return withConnection(pool, (client) => patiently(client, work));
}

async function patiently<T>(client: pg.ClientBase, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  await client.query(PATIENCE);
  try {
    return await work(client);
  } finally {
    await client.query(NO_PATIENCE).catch(() => undefined);
  }
}

async function lock(client: pg.ClientBase, service: string, waitMs: number): Promise<boolean> {
  if (waitMs === 0) {
    const { rows } = await client.query<{ got: boolean }>(`SELECT pg_try_advisory_lock(${LOCK}) AS got`, [service]);
    return rows[0]!.got;
  }
  await client.query(`SET lock_timeout = ${waitMs}`);
  try {
    await client.query(`SELECT pg_advisory_lock(${LOCK})`, [service]);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== '55P03') throw error;
    return false;
  } finally {
    await client.query('RESET lock_timeout').catch(() => undefined);
  }
}

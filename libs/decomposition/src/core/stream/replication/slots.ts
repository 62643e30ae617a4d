import type pg from 'pg';
import { withConnection } from '#database';
import { SplitError } from '../../errors.js';
import { interrupted, throwIfStopped, waitUntil } from '../../wait-until.js';

const DUPLICATE_OBJECT = '42710';
const CANCELED = '57014';
/** A slot begins when all transactions of the whole server that ran when it was asked for have ended. */
const CREATE_TIMEOUT_MS = 15 * 60_000;
const CANCEL_EVERY_MS = 200;
const INACTIVE_TIMEOUT_MS = 30_000;

export interface Slot {
  /** From some place in the log on nothing is missed. */
  ready: boolean;
  active: boolean;
  /** The server gave it up, and threw away what it had kept for it. */
  lost: boolean;
  /** Bytes of changes that were not taken yet. */
  pending: number;
  /** Bytes of log that the server keeps for it. */
  retained: number;
}

export async function readSlot(pool: pg.Pool, name: string): Promise<Slot | undefined> {
  const { rows } = await pool.query<Slot>(
    `SELECT confirmed_flush_lsn IS NOT NULL AS ready, active, wal_status IS NOT DISTINCT FROM 'lost' AS lost,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::float8 AS pending,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::float8 AS retained
     FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  return rows[0];
}

/**
 * Makes a slot unless it is there. By a function, not along with a subscription: in the same cluster that one would wait for itself.
 *
 * @throws SplitError `timeout` when a transaction does not end, `refused` when the slot is there and was lost
 */
export async function ensureSlot(pool: pg.Pool, name: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + CREATE_TIMEOUT_MS;
  await waitUntil(
    async () => {
      const slot = await readSlot(pool, name);
      if (slot?.lost) throw lostSlot(name);
      // A run that was killed may have left a server process behind that still waits for its slot to begin.
      if (!slot) await createSlot(pool, name, signal, Math.max(deadline - Date.now(), 1));
      return slot?.ready ?? false;
    },
    { what: `slot ${name} to begin`, next: LONG_TRANSACTIONS, timeoutMs: CREATE_TIMEOUT_MS, signal, everyMs: 20 },
  );
}

/** Takes what was kept up to a place in the log as dealt with; never goes back. Nobody must be using the slot. */
export async function advanceSlot(pool: pg.Pool, name: string, lsn: string, signal: AbortSignal): Promise<void> {
  await waitUntilInactive(pool, name, signal);
  await pool.query(
    `SELECT pg_replication_slot_advance(slot_name, $2::pg_lsn) FROM pg_replication_slots
     WHERE slot_name = $1 AND confirmed_flush_lsn < $2::pg_lsn`,
    [name, lsn],
  );
}

export async function dropSlot(pool: pg.Pool, name: string, signal: AbortSignal): Promise<void> {
  await waitUntilInactive(pool, name, signal);
  await pool.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1`, [name]);
}

export async function waitUntilInactive(pool: pg.Pool, name: string, signal: AbortSignal): Promise<void> {
  await waitUntil(async () => !(await readSlot(pool, name))?.active, {
    what: `slot ${name} to be left alone`,
    next: 'Look at pg_replication_slots.active_pid for who uses it.',
    timeoutMs: INACTIVE_TIMEOUT_MS,
    signal,
  });
}

export function lostSlot(name: string): SplitError {
  return new SplitError(
    'refused',
    `The server gave up slot ${name}: changes since then are not known any more.`,
    'Raise max_slot_wal_keep_size, and run `copy`: it follows anew, and makes the sides equal.',
  );
}

const LONG_TRANSACTIONS =
  'Look for long transactions in pg_stat_activity (xact_start), of all databases of the server.';

async function createSlot(pool: pg.Pool, name: string, signal: AbortSignal, timeoutMs: number): Promise<void> {
  await withConnection(pool, async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const send = (): void => {
      pool.query('SELECT pg_cancel_backend($1)', [rows[0]!.pid]).catch(() => undefined);
    };
    // One that comes between two statements cancels neither.
    let sending: NodeJS.Timeout | undefined;
    const cancel = (): void => {
      sending ??= setInterval(send, CANCEL_EVERY_MS);
      send();
    };
    signal.addEventListener('abort', cancel, { once: true });
    try {
      throwIfStopped(signal);
      await client.query(`SET statement_timeout = ${timeoutMs}`);
      await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
    } catch (error) {
      const { code } = error as { code?: string };
      // A cancel may still be on its way: the connection is not given back.
      if (code === CANCELED && signal.aborted) throw interrupted(error);
      if (code !== DUPLICATE_OBJECT && !(code === CANCELED && timeoutMs <= 1)) throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      clearInterval(sending);
      await client.query('RESET statement_timeout').catch(() => undefined);
    }
  });
}

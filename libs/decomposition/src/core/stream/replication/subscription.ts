import type pg from 'pg';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { waitUntil } from '../../wait-until.js';
import { serverVersion } from './server.js';

const STOP_TIMEOUT_MS = 30_000;
const DUPLICATE_OBJECT = '42710';
const OBJECT_IN_USE = '55006';

export interface Subscription {
  oid: number;
  enabled: boolean;
  /** Something is there that applies changes. */
  working: boolean;
}

export async function readSubscription(pool: pg.Pool, name: string): Promise<Subscription | undefined> {
  const { rows } = await pool.query<Subscription>(
    `SELECT s.oid, s.subenabled AS enabled,
       EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.pid IS NOT NULL) AS working
     FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
     WHERE d.datname = current_database() AND s.subname = $1`,
    [name],
  );
  return rows[0];
}

/**
 * Makes a subscription that is switched off, unless it is there: to a publication and a slot of its name.
 *
 * - `origin = none`: what another stream brought is not sent back
 * - `streaming = on`: of a large transaction, what came so far waits on this side's disk; rows go into tables when it has committed
 * - `run_as_owner`: the table's owner may be held back by row-level security, an administrator is not
 * - `disable_on_error` stays off: a server that goes away for a moment would count as an error
 */
export async function ensureSubscription(pool: pg.Pool, name: string, publisherUrl: string): Promise<void> {
  const id = escapeIdentifier(name);
  if (await readSubscription(pool, name)) {
    await pool.query(`ALTER SUBSCRIPTION ${id} CONNECTION ${escapeLiteral(publisherUrl)}`);
    return;
  }
  const version = await serverVersion(pool);
  const options = [
    'create_slot = false',
    `slot_name = ${escapeLiteral(name)}`,
    'copy_data = false',
    'enabled = false',
    ...(version >= 140_000 ? ['streaming = on'] : []),
    ...(version >= 160_000 ? ['origin = none', 'run_as_owner = true'] : []),
  ].join(', ');
  await pool
    .query(`CREATE SUBSCRIPTION ${id} CONNECTION ${escapeLiteral(publisherUrl)} PUBLICATION ${id} WITH (${options})`)
    .catch((error: { code?: string }) => {
      if (error.code !== DUPLICATE_OBJECT) throw error;
    });
}

export async function enableSubscription(pool: pg.Pool, name: string): Promise<void> {
  await pool.query(`ALTER SUBSCRIPTION ${escapeIdentifier(name)} ENABLE`);
}

/** Resolves when nothing is applied any more. */
export async function disableSubscription(pool: pg.Pool, name: string, signal: AbortSignal): Promise<void> {
  const subscription = await readSubscription(pool, name);
  if (!subscription) return;
  if (subscription.enabled) await pool.query(`ALTER SUBSCRIPTION ${escapeIdentifier(name)} DISABLE`);
  await waitUntil(async () => !(await readSubscription(pool, name))?.working, {
    what: `subscription ${name} to stop`,
    next: 'Look at pg_stat_subscription for the process that applies changes.',
    timeoutMs: STOP_TIMEOUT_MS,
    signal,
  });
}

/** Takes everything before a place in the publisher's log as applied. It must be switched off. */
export async function advanceSubscription(
  pool: pg.Pool,
  name: string,
  { oid }: Subscription,
  lsn: string,
  signal: AbortSignal,
): Promise<void> {
  // A worker that ends lets go of its origin after it has left pg_stat_subscription.
  const advance = async (): Promise<boolean> => {
    try {
      await pool.query('SELECT pg_replication_origin_advance($1, $2::pg_lsn)', [`pg_${oid}`, lsn]);
      return true;
    } catch (error) {
      if ((error as { code?: string }).code !== OBJECT_IN_USE) throw error;
      return false;
    }
  };
  await waitUntil(advance, {
    what: `the origin of subscription ${name} to be let go of`,
    next: 'Look at pg_stat_activity for who has it: a worker that ends, or a session that called pg_replication_origin_session_setup.',
    timeoutMs: STOP_TIMEOUT_MS,
    signal,
  });
}

/** Leaves its slot alone. It must be switched off. */
export async function dropSubscription(pool: pg.Pool, name: string): Promise<void> {
  if (!(await readSubscription(pool, name))) return;
  await pool.query(`ALTER SUBSCRIPTION ${escapeIdentifier(name)} SET (slot_name = NONE)`);
  await pool.query(`DROP SUBSCRIPTION IF EXISTS ${escapeIdentifier(name)}`);
}

/**
 * What went wrong, as far as the server counts it; the words are in its log only.
 * Source: PostgreSQL documentation, "pg_stat_subscription_stats".
 */
export async function subscriptionTrouble(pool: pg.Pool, name: string): Promise<string> {
  const subscription = await readSubscription(pool, name);
  if (!subscription) return 'there is no subscription';
  if (!subscription.enabled) return 'the subscription is switched off';
  if ((await serverVersion(pool)) < 150_000) return subscription.working ? 'it is at work' : 'nothing applies changes';
  const { rows } = await pool.query<{ counts: Record<string, unknown> }>(
    'SELECT to_jsonb(s) AS counts FROM pg_stat_subscription_stats s WHERE subid = $1',
    [subscription.oid],
  );
  const counts = Object.entries(rows[0]?.counts ?? {})
    .filter(([key, value]) => /error|confl/.test(key) && Number(value) > 0)
    .map(([key, value]) => `${key} ${String(value)}`);
  const state = subscription.working ? 'changes are being applied' : 'nothing applies changes';
  return [state, ...counts].join(', ');
}

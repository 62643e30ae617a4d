import { readTables } from '../catalogue/read-tables.js';
import { SplitError } from '../errors.js';
import { removeFence } from '../fence/fence.js';
import { lockedTransaction } from '../fence/locked-transaction.js';
import { type Move } from '../move.js';
import { tidySource } from '../switch/retire.js';
import { streamsOf } from '../switch/parts.js';
import { type SwitchTools } from '../switch/tools.js';

const LOCK_TIMEOUT_MS = 30_000;

/**
 * Takes away what a move has left on the source, without a question to its target. While a table of the source is closed it does nothing: the
 * service may have switched, and its rows be on the target only.
 *
 * @returns whether there was anything
 * @throws SplitError `refused` when a table is closed, `timeout`
 */
export async function clearSource(move: Move, tools: Pick<SwitchTools, 'openStream'>): Promise<boolean> {
  const { source } = move.databases;
  const closed = await source.query<{ name: string }>(
    `SELECT tgrelid::regclass::text AS name FROM pg_trigger
     WHERE tgname = 'decomposition_fence' AND tgenabled = 'O' AND tgrelid = ANY ($1::oid[])`,
    [(await readTables(source, move.service.tables)).map(({ oid }) => oid)],
  );
  if (closed.rows.length > 0)
    throw new SplitError(
      'refused',
      `${closed.rows.map(({ name }) => name).join(', ')} of the source takes no writes: ${move.service.name} may have switched, and its rows be on the target only.`,
      'Bring the target back, or a backup of it, and run `reverse`.',
    );
  const before = await leftOn(move);
  const { forward, reverse } = streamsOf(move, tools);
  await reverse.end('source');
  await forward.end('source');
  await removeSourceFence(move);
  await tidySource(move);
  return before;
}

/** The triggers of fences that are open. Waits for nobody when there are none. */
export async function removeSourceFence(move: Move): Promise<void> {
  const { source } = move.databases;
  const tables = await readTables(source, move.service.tables);
  const { rowCount } = await source.query(
    `SELECT FROM pg_trigger WHERE starts_with(tgname, 'decomposition_fence') AND tgrelid = ANY ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  );
  if (rowCount)
    await lockedTransaction(source, tables, { timeoutMs: LOCK_TIMEOUT_MS, signal: move.signal }, (client) =>
      removeFence(client, tables),
    );
}

async function leftOn({ databases: { source }, plan, service }: Move): Promise<boolean> {
  const { rows } = await source.query<{ left: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_replication_slots WHERE database = current_database() AND starts_with(slot_name, $1))
         OR EXISTS (SELECT FROM pg_publication WHERE starts_with(pubname, $1))
         OR EXISTS (SELECT FROM pg_trigger WHERE starts_with(tgname, 'decomposition_') AND tgrelid = ANY ($2::oid[])) AS left`,
    [
      `split_${plan.name}_${service.name}`.slice(0, 42),
      (await readTables(source, service.tables)).map(({ oid }) => oid),
    ],
  );
  return rows[0]!.left;
}

import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { quoted } from '../catalogue/table.js';
import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { otherSide, type Side } from '../side.js';
import { type CatchUps } from './catch-ups.js';
import { type Comparison } from './comparison.js';
import { rowTexts } from './describe.js';
import { keyArrays, ROW_VERSION } from './row-versions.js';
import { type StandingRow } from './settle.js';

const BATCH_ROWS = 200;
const LOCK_TIMEOUT_MS = 2000;
const ATTEMPTS = 3;
/** Lock not available, deadlock, changed since the snapshot. */
const PASSING = new Set(['55P03', '40P01', '40001']);

/**
 * Makes rows of the follower equal to the leader's. The leader's rows are only locked against changes meanwhile, and the stream is waited for
 * before the follower's are written, so that nothing newer is overwritten. A row that the leader does not have cannot be locked: the
 * follower's is deleted only if it is still the version that was found too much.
 */
export async function repairRows(
  move: Move,
  leader: Side,
  catchUps: CatchUps,
  comparison: Comparison,
  rows: readonly StandingRow[],
): Promise<void> {
  for (let start = 0; start < rows.length; start += BATCH_ROWS) {
    move.signal.throwIfAborted();
    await repairBatch(move, leader, catchUps, comparison, rows.slice(start, start + BATCH_ROWS));
  }
}

async function repairBatch(
  move: Move,
  leader: Side,
  catchUps: CatchUps,
  comparison: Comparison,
  rows: readonly StandingRow[],
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await inTransaction(move.databases[leader], 'REPEATABLE READ', async (reading) => {
        const keys = rows.map(({ key }) => key);
        // One snapshot: what is read below is what is locked here.
        await reading.query(
          `SELECT 1 FROM ${quoted(comparison.table)} WHERE (${keyList(comparison)}) IN (
             SELECT ${castKeys(comparison)} FROM unnest(${comparison.key.map((_, i) => `$${i + 1}::text[]`).join(', ')})
               AS k (${comparison.key.map((_, i) => `k${i + 1}`).join(', ')})) FOR SHARE`,
          keyArrays(comparison, keys),
        );
        await catchUps.wait();
        const right = await rowTexts(reading, comparison, keys);
        await inTransaction(move.databases[otherSide(leader)], 'READ COMMITTED', async (writing) => {
          await writing.query('SET LOCAL session_replication_role = replica');
          for (const [place, row] of rows.entries()) await write(writing, comparison, row, right.get(place));
        });
      });
      return;
    } catch (error) {
      const { code } = error as { code?: string };
      if (!code || !PASSING.has(code)) throw error;
      if (attempt === ATTEMPTS)
        throw new SplitError(
          'timeout',
          `Rows of ${comparison.name} are being written to all the time: they could not be held still to be repaired.`,
          'Run `verify --repair` again, at a quieter time.',
          { cause: error },
        );
    }
  }
}

async function write(
  client: pg.ClientBase,
  comparison: Comparison,
  { key, followerVersion }: StandingRow,
  texts: readonly (string | null)[] | undefined,
): Promise<void> {
  const table = quoted(comparison.table);
  const same = comparison.key.map(({ name, type }, index) => `${escapeIdentifier(name)} = $${index + 1}::${type}`);
  const where = same.join(' AND ');
  const { rows } = await client.query<{ version: string }>(
    `SELECT ${ROW_VERSION} AS version FROM ${table} WHERE ${where} FOR UPDATE`,
    [...key],
  );
  // Somebody else has written it since: another look will tell.
  if (!texts && rows[0]?.version !== followerVersion) return;
  await client.query(`DELETE FROM ${table} WHERE ${where}`, [...key]);
  if (!texts) return;
  const names = comparison.columns.map(({ name }) => escapeIdentifier(name));
  const values = comparison.columns.map(({ type }, index) => `$${index + 1}::${type}`);
  await client.query(
    `INSERT INTO ${table} (${names.join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${values.join(', ')})`,
    [...texts],
  );
}

function keyList({ key }: Comparison): string {
  return key.map(({ name }) => escapeIdentifier(name)).join(', ');
}

function castKeys({ key }: Comparison): string {
  return key.map(({ type }, index) => `k.k${index + 1}::${type}`).join(', ');
}

async function inTransaction(
  pool: pg.Pool,
  isolation: 'READ COMMITTED' | 'REPEATABLE READ',
  work: (client: pg.ClientBase) => Promise<void>,
): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query(`BEGIN ISOLATION LEVEL ${isolation}; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await work(client);
    await client.query('COMMIT');
    client.release();
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    client.release(true);
    throw error;
  }
}

import pg from 'pg';
import { escapeIdentifier } from 'pg';
import { connectionUrl } from '#database';
import { readTables } from '../catalogue/read-tables.js';
import { targetDatabase } from '../create/provision-target.js';
import { SplitError } from '../errors.js';
import { removeFence } from '../fence/fence.js';
import { lockedTransaction } from '../fence/locked-transaction.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { MOVES_CHANNEL } from '../state/schema.js';

const LOCK_TIMEOUT_MS = 30_000;
const DROP_TIMEOUT_MS = 60_000;

/**
 * Takes the target's fence away, and all that is kept about the move: in one transaction, so that a run that is killed finds either all
 * of it or nothing. Instances hear of it, and go to the source as before there was a move.
 *
 * @returns whether there was anything
 */
export async function forgetMove(move: Move): Promise<boolean> {
  const { databases, service } = move;
  const { target } = databases;
  if (!(await hasMoves(move))) return false;
  const tables = await readTables(target, service.tables);
  const forget = async (client: pg.ClientBase): Promise<void> => {
    await removeFence(client, tables);
    const { rows } = await client.query<{ name: string }>(
      `SELECT table_schema || '.' || table_name AS name FROM information_schema.columns
       WHERE table_schema = 'decomposition' AND column_name = 'service'`,
    );
    for (const { name } of rows) await client.query(`DELETE FROM ${name} WHERE service = $1`, [service.name]);
    await client.query('SELECT pg_notify($1, $2)', [MOVES_CHANNEL, service.name]);
    const { rowCount: others } = await client.query('SELECT FROM decomposition.moves LIMIT 1');
    if (!others) await client.query('DROP SCHEMA decomposition CASCADE');
  };
  if (tables.length === 0) await inTransaction(target, forget);
  else await lockedTransaction(target, tables, { timeoutMs: LOCK_TIMEOUT_MS, signal: move.signal }, forget);
  return true;
}

/** A database that no `create` has been at, or that another service's move is in, is not dropped. @throws SplitError `refused` */
export async function assertOwnDatabase(move: Move): Promise<void> {
  const name = targetDatabase(move);
  if (!(await hasMoves(move)))
    throw new SplitError(
      'refused',
      `No move has made database ${name}, or nothing of that is left.`,
      'Look whose it is, and drop it by hand.',
    );
  const { rows } = await move.databases.target.query<{ service: string }>(
    'SELECT service FROM decomposition.moves WHERE service <> $1',
    [move.service.name],
  );
  if (rows.length > 0)
    throw new SplitError(
      'refused',
      `Database ${name} is also that of ${rows.map(({ service }) => service).join(', ')}.`,
      'Leave --drop away: then it stays.',
    );
}

/** With all connections to it. The state goes with it: a run that is killed before finds it, and one after finds no database. */
export async function dropTarget(move: Move): Promise<void> {
  const client = new pg.Client({
    connectionString: connectionUrl(move.urls.target, { database: 'postgres' }),
    application_name: 'gravitas-split abandon',
    connectionTimeoutMillis: 10_000,
    query_timeout: DROP_TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(targetDatabase(move))} WITH (FORCE)`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function hasMoves({ databases }: Move): Promise<boolean> {
  const { rows } = await databases.target.query<{ there: boolean }>(
    `SELECT to_regclass('decomposition.moves') IS NOT NULL AS there`,
  );
  return rows[0]!.there;
}

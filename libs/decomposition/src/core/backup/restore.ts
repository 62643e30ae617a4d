import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { copyFrom } from '#database';
import { fullName, quoted } from '../catalogue/table.js';
import { SplitError } from '../errors.js';
import { inTransaction } from '../in-transaction.js';
import { administratorPool } from '../move.js';
import { SILENT, type Progress } from '../progress.js';
import { readPacked } from './backup-files.js';
import { contentHash } from './content-hash.js';
import { type BackupTable, type Manifest } from './manifest.js';
import { abortable } from './snapshot.js';
import { verifyBackup } from './verify-backup.js';

export interface RestoreOptions {
  progress?: Progress;
  signal?: AbortSignal;
}

/**
 * Brings a backup into a database, as the URL's role, and proves it: each table has as many rows as the manifest says, with the same
 * content. All of it is one transaction: whatever goes wrong, the database is as it was.
 *
 * @throws SplitError `refused` when such tables or types are there already, or roles are missing; `different` when the backup is
 * damaged, or what was restored is not what was backed up; `interrupted`
 */
export async function restore(directory: string, url: string, options: RestoreOptions = {}): Promise<Manifest> {
  const { progress = SILENT, signal = new AbortController().signal } = options;
  const manifest = await verifyBackup(directory);
  progress.note(`The backup of ${manifest.snapshot.time} is whole.`);
  const pool = administratorPool(url, 2);
  try {
    await abortable(pool, signal, () =>
      inTransaction(pool, async (client) => {
        await refuseWhatIsThere(client, manifest);
        await run(client, join(directory, manifest.before.name));
        for (const [index, table] of manifest.tables.entries()) {
          progress.at('restore', index, manifest.tables.length, 'tables');
          await load(client, directory, table);
        }
        progress.at('restore', manifest.tables.length, manifest.tables.length, 'tables');
        progress.note('Indexes and constraints are made.');
        await run(client, join(directory, manifest.after.name));
        for (const { schema, name, last, called } of manifest.sequences)
          await client.query('SELECT setval($1::regclass, $2, $3)', [quoted({ schema, name }), last, called]);
        await prove(client, manifest);
      }),
    );
  } finally {
    await pool.end();
  }
  progress.note(`${manifest.tables.length} tables are equal to those of the backup.`);
  return manifest;
}

async function refuseWhatIsThere(client: pg.ClientBase, { tables, roles }: Manifest): Promise<void> {
  const found = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) name WHERE to_regclass(name) IS NOT NULL',
    [tables.map(quoted)],
  );
  if (found.rows.length > 0)
    throw new SplitError(
      'refused',
      `The database has ${found.rows.map(({ name }) => name).join(', ')} already.`,
      'Restore into an empty database.',
    );
  const missing = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)',
    [roles],
  );
  if (missing.rows.length === 0) return;
  const names = missing.rows.map(({ name }) => name);
  throw new SplitError(
    'refused',
    `Policies speak of roles that this server does not have: ${names.join(', ')}.`,
    `Make them first: ${names.map((name) => `CREATE ROLE ${escapeIdentifier(name)};`).join(' ')}`,
  );
}

async function run(client: pg.ClientBase, path: string): Promise<void> {
  try {
    await client.query(await readFile(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code?.length !== 5 || code === '57014') throw error;
    throw new SplitError(
      'refused',
      `The schema cannot be made: PostgreSQL says "${message}".`,
      'Restore into an empty database of the same version of PostgreSQL.',
      { cause: error },
    );
  }
}

async function load(client: pg.ClientBase, directory: string, table: BackupTable): Promise<void> {
  const columns = table.columns.map(({ name }) => escapeIdentifier(name)).join(', ');
  await copyFrom(
    client,
    `COPY ${quoted(table)} (${columns}) FROM STDIN (FORMAT ${table.format})`,
    readPacked(directory, table.files),
  );
}

async function prove(client: pg.ClientBase, { tables }: Manifest): Promise<void> {
  const problems: string[] = [];
  for (const table of tables) {
    const { rows, hash } = await contentHash(client, table);
    if (rows !== table.rows) problems.push(`${fullName(table)} has ${rows} rows instead of ${table.rows}`);
    else if (hash !== table.hash) problems.push(`${fullName(table)} has other values`);
  }
  if (problems.length > 0)
    throw new SplitError(
      'different',
      `What was restored is not what was backed up:\n${problems.map((line) => `  ${line}`).join('\n')}`,
      'Nothing was kept of it. Is it the same version of PostgreSQL?',
    );
}

import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { copyOut } from '#database';
import { binaryTables } from '../catalogue/binary-tables.js';
import { readTables } from '../catalogue/read-tables.js';
import { fullName, parseTableName, quoted, writable, type Table } from '../catalogue/table.js';
import { describeWithin } from '../describe/describe.js';
import { SplitError } from '../errors.js';
import { administratorPool } from '../move.js';
import { type Plan } from '../plan/plan.js';
import { SILENT, type Progress } from '../progress.js';
import { finishDirectory, prepareDirectory } from './backup-directory.js';
import { writeFile, writePacked } from './backup-files.js';
import { contentHash } from './content-hash.js';
import { FORMAT, type BackupTable, type Manifest } from './manifest.js';
import { beforeAndAfter, rolesOf } from './schema-files.js';
import { abortable, openSnapshot, readSequences, type Snapshot } from './snapshot.js';

export interface BackupOptions {
  progress?: Progress;
  signal?: AbortSignal;
  /** Of the rows, unpacked, that one file holds. */
  fileBytes?: number;
}

const FILE_BYTES = 256 * 1024 ** 2;

/**
 * Exports all tables of services, as they are at one moment, into a directory: packed COPY files, the SQL that makes the tables, and
 * last of all a manifest that says what must be there. Without a manifest it is no backup. Readers and writers go on; memory stays the
 * same whatever the size. What an interrupted run left is begun anew. Foreign keys to tables of other services are not in it.
 *
 * @throws SplitError `refused` when the directory has something else in it, `invalid_plan`, `interrupted`
 */
export async function backup(
  plan: Plan,
  serviceNames: readonly string[],
  directory: string,
  options: BackupOptions = {},
): Promise<Manifest> {
  const { progress = SILENT, signal = new AbortController().signal, fileBytes = FILE_BYTES } = options;
  const services = plan.services.filter(({ name }) => serviceNames.includes(name));
  if (services.length !== serviceNames.length || services.length === 0)
    throw new SplitError(
      'invalid_plan',
      `The plan has no service ${serviceNames.join(', ')}.`,
      `It has: ${plan.services.map(({ name }) => name).join(', ')}.`,
    );
  await prepareDirectory(directory, plan.name, serviceNames);
  const pool = administratorPool(plan.source, plan.copy.workers + 2);
  try {
    return await abortable(pool, signal, async () => {
      const snapshot = await openSnapshot(pool);
      try {
        const names = services.flatMap(({ tables }) => tables);
        const manifest = {
          ...head(plan, serviceNames, snapshot),
          ...(await exportSchema(snapshot, names, directory, plan)),
        };
        const tables = await exportTables(pool, snapshot, names, {
          directory,
          progress,
          signal,
          fileBytes,
          workers: plan.copy.workers,
        });
        const whole: Manifest = { ...manifest, tables };
        await finishDirectory(directory, whole);
        progress.note(
          `${tables.length} tables of ${serviceNames.join(', ')}, as of ${snapshot.time}, are in ${directory}.`,
        );
        return whole;
      } finally {
        await snapshot.close();
      }
    });
  } finally {
    await pool.end();
  }
}

function head(
  plan: Plan,
  services: readonly string[],
  { source, lsn, time }: Snapshot,
): Pick<Manifest, 'kind' | 'format' | 'plan' | 'services' | 'made_at' | 'source' | 'snapshot'> {
  return {
    ...{ kind: 'gravitas-split-backup', format: FORMAT, plan: plan.name, services: [...services] },
    ...{ made_at: new Date().toISOString(), source, snapshot: { lsn, time } },
  };
}

async function exportSchema(
  snapshot: Snapshot,
  names: readonly string[],
  directory: string,
  plan: Plan,
): Promise<Pick<Manifest, 'before' | 'after' | 'roles' | 'sequences'>> {
  const logins = plan.services.flatMap(({ owner, runtime, further }) =>
    [owner, runtime, ...further].map(({ name }) => name),
  );
  const description = await snapshot.use((client) => describeWithin(client, names, logins));
  if (description.problems.length > 0)
    throw new SplitError(
      'refused',
      `Not all of it can be made elsewhere:\n${description.problems.map((line) => `  ${line}`).join('\n')}`,
      'Back this database up with pg_dump.',
    );
  const { before, after } = beforeAndAfter(description.objects);
  return {
    before: await writeFile(directory, 'before.sql', [Buffer.from(before)], false),
    after: await writeFile(directory, 'after.sql', [Buffer.from(after)], false),
    roles: rolesOf(description.objects, logins),
    sequences: await snapshot.use((client) => readSequences(client, description.sequences)),
  };
}

interface Export extends Required<BackupOptions> {
  directory: string;
  workers: number;
}

async function exportTables(
  pool: pg.Pool,
  snapshot: Snapshot,
  names: readonly string[],
  options: Export,
): Promise<BackupTable[]> {
  const tables = await snapshot.use((client) => readTables(client, names));
  const missing = names
    .map((text) => fullName(parseTableName(text)))
    .filter((name) => !tables.some((table) => fullName(table) === name));
  if (missing.length > 0)
    throw new SplitError(
      'invalid_plan',
      `The source has no table ${missing.join(', ')}.`,
      'Take it out of the plan, or look whether the URL is right.',
    );
  const binary = await snapshot.use((client) => binaryTables(client, tables));
  const done = new Map<string, BackupTable>();
  // The largest first, so that none is left alone at the end.
  const waiting = [...tables].sort((a, b) => b.bytes - a.bytes);
  const work = async (): Promise<void> => {
    await snapshot.within(pool, async (client) => {
      for (let table = waiting.shift(); table; table = waiting.shift()) {
        options.progress.at('backup', done.size, tables.length, 'tables');
        const place = tables.indexOf(table) + 1;
        const format = binary.has(table.oid) ? 'binary' : 'text';
        done.set(fullName(table), await exportTable(client, table, format, place, options));
      }
    });
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(options.workers, tables.length) }, work));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  options.progress.at('backup', done.size, tables.length, 'tables');
  return tables.map((table) => done.get(fullName(table))!);
}

async function exportTable(
  client: pg.ClientBase,
  table: Table,
  format: 'binary' | 'text',
  place: number,
  { directory, fileBytes }: Export,
): Promise<BackupTable> {
  const { schema, name } = table;
  const columns = writable(table).map((column) => ({ name: column.name, type: column.type }));
  const list = columns.map((column) => escapeIdentifier(column.name)).join(', ');
  const content = await contentHash(client, { schema, name, columns });
  const base = `${String(place).padStart(4, '0')}-${fullName(table).replace(/[^\w.]/g, '_')}`;
  const rows = copyOut(client, `COPY (SELECT ${list} FROM ${quoted(table)}) TO STDOUT (FORMAT ${format})`);
  const { files, bytes, returned } = await writePacked(directory, base, rows, fileBytes);
  if (returned !== content.rows)
    throw new Error(`${fullName(table)}: COPY gave ${returned} rows, the snapshot has ${content.rows}`);
  const key = table.key.map((column) => column.name);
  return { schema, name, columns, key, format, files, rows: content.rows, bytes, hash: content.hash };
}

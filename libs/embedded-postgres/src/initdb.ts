import { chown, mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { type Binaries, MAJOR_VERSION } from './binaries.js';
import { EmbeddedPostgresError } from './errors.js';
import { type Identity } from './identity.js';
import { runCommand } from './run-command.js';

export interface InitOptions {
  dataDir: string;
  password: string;
  durable: boolean;
  identity: Identity | undefined;
  binaries: Binaries;
}

/**
 * Makes the data directory when there is none. It is made beside its place and renamed at the end: whatever interrupts
 * this, the data directory is either whole or absent, and what was left half done is removed by the next call.
 * @throws EmbeddedPostgresError `data_dir_foreign`, `data_dir_other_version`, `initdb_failed`
 */
export async function ensureCluster(options: InitOptions): Promise<void> {
  const { dataDir } = options;
  if (await isCluster(dataDir)) return;
  await mkdir(dirname(dataDir), { recursive: true, mode: 0o755 });
  await removeLeftovers(dataDir);
  const partial = `${dataDir}.init-${process.pid}-${randomUUID()}`;
  try {
    await initialise(partial, options);
    await rmdir(dataDir).catch(() => undefined);
    await rename(partial, dataDir).catch(async (error: unknown) => {
      // Another process may have been quicker; its result is as good as ours.
      if (!(await isCluster(dataDir))) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function initialise(partial: string, options: InitOptions): Promise<void> {
  const { password, durable, identity, binaries } = options;
  const passwordFile = `${partial}.password`;
  await mkdir(partial, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
  try {
    if (identity) {
      await chown(partial, identity.uid, identity.gid);
      await chown(passwordFile, identity.uid, identity.gid);
    }
    // The builtin C.UTF-8 sorts by code point and folds all of Unicode, the same on every system.
    const locale = ['--no-locale', '--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const auth = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
    const args = [`--pgdata=${partial}`, ...auth, ...locale, ...(durable ? [] : ['--no-sync'])];
    const { code, output } = await runCommand(binaries.initdb, args, { identity, timeoutMs: 120_000 });
    if (code !== 0) throw new EmbeddedPostgresError('initdb_failed', `initdb failed (exit ${code}): ${output}`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function isCluster(dataDir: string): Promise<boolean> {
  const version = await readFile(join(dataDir, 'PG_VERSION'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    const fix = 'Run as the user it belongs to, or choose another GRAVITAS_HOME.';
    throw new EmbeddedPostgresError('data_dir_unreachable', `${error.message}. ${fix}`, { cause: error });
  });
  if (version === undefined) {
    const entries = await readdir(dataDir).catch(() => []);
    if (entries.length === 0) return false;
    throw new EmbeddedPostgresError(
      'data_dir_foreign',
      `${dataDir} is not empty and holds no PostgreSQL database. Move it away, or choose another GRAVITAS_HOME.`,
    );
  }
  if (version.trim() === MAJOR_VERSION) return true;
  throw new EmbeddedPostgresError(
    'data_dir_other_version',
    `${dataDir} was made by PostgreSQL ${version.trim()}, and this is PostgreSQL ${MAJOR_VERSION}. ` +
      'Dump it with the old version and restore it, or choose another GRAVITAS_HOME.',
  );
}

/** Removes what an interrupted run left, except what a process that is still alive is working on. */
async function removeLeftovers(dataDir: string): Promise<void> {
  const prefix = `${basename(dataDir)}.init-`;
  for (const entry of await readdir(dirname(dataDir))) {
    if (!entry.startsWith(prefix)) continue;
    const pid = Number.parseInt(entry.slice(prefix.length), 10);
    if (pid !== process.pid && isAlive(pid) && (await isRecent(join(dirname(dataDir), entry)))) continue;
    await rm(join(dirname(dataDir), entry), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function isRecent(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs < 120_000;
}

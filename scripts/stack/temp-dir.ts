import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, EmbeddedPostgres, postgresIdentity } from '#embedded-postgres';
import { isAlive } from './process-info.js';

const PREFIX = 'gravitas-test-';
/** `tmp/<suite's own>/<home>/postgres`. */
const DEPTH = 5;

/**
 * A fresh temporary directory that the server's user can enter: TMPDIR may lie below a home that it cannot. The caller
 * removes it; `removeAbandoned` does when the caller was killed.
 */
export async function makeReachableTempDir(): Promise<string> {
  const identity = await postgresIdentity();
  for (const parent of parents()) {
    const directory = await mkdtemp(join(parent, `${PREFIX}${process.pid}-`)).catch(() => undefined);
    if (directory === undefined) continue;
    await chmod(directory, 0o711);
    if (await canReach(directory, identity)) return directory;
    await rm(directory, { recursive: true, force: true });
  }
  throw new Error(`No temporary directory that user ${identity?.name ?? ''} can enter. Set TMPDIR to one.`);
}

/** Stops the servers, and removes the directories, of runs that were killed before they could do so themselves. */
export async function removeAbandoned(): Promise<void> {
  for (const parent of parents()) {
    for (const entry of await readdir(parent).catch(() => [])) {
      const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(entry)?.[1]);
      const directory = join(parent, entry);
      if (!pid || isAlive(pid) || !(await isOurs(directory))) continue;
      await discard(directory);
    }
  }
}

/** Stops every server whose data lies below the directory, and removes it. */
export async function discard(directory: string): Promise<void> {
  // The server may be about to remove files of its own while they are listed: what is gone is gone.
  for (const dataDir of await dataDirsBelow(directory, DEPTH)) {
    await new EmbeddedPostgres({ dataDir, password: '' }).stop('immediate');
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
}

async function dataDirsBelow(directory: string, depth: number): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  if (entries.some(({ name }) => name === 'PG_VERSION')) return [directory];
  if (depth === 0) return [];
  const inner = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
  return (await Promise.all(inner.map((path) => dataDirsBelow(path, depth - 1)))).flat();
}

function parents(): Set<string> {
  return new Set([tmpdir(), '/tmp', '/var/tmp']);
}

async function isOurs(directory: string): Promise<boolean> {
  return (await stat(directory).catch(() => undefined))?.uid === process.getuid?.();
}

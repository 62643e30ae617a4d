import { writeFileSync } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

interface Holder {
  service: string;
  pid: number;
  host: string;
  since: string;
}

/** Two writers in one spool would overwrite each other: the second does not start. */
export class SpoolHeldError extends Error {
  readonly code = 'spool_held';

  constructor(directory: string, holder: Holder | undefined) {
    const who = holder
      ? `${holder.service}, process ${holder.pid} on ${holder.host}, since ${holder.since}`
      : 'a process that has not said its name';
    super(
      `The audit spool ${directory} is held by ${who}. Stop it, or give each process a spool of its own (AUDIT_SPOOL_DIR).`,
    );
    this.name = 'SpoolHeldError';
  }
}

const SQLITE_BUSY = 5;

/**
 * The right to write into a spool directory, which the kernel takes back when the process ends, however it ends.
 * Node has no call for file locks of its own, but the SQLite that it brings takes them: the lock is an empty database in an
 * exclusive transaction that never ends. It holds across containers that share a volume, where process ids mean nothing.
 */
export class SpoolLock {
  private constructor(private readonly database: DatabaseSync) {}

  /** @throws SpoolHeldError naming the holder */
  static async take(directory: string, service: string): Promise<SpoolLock> {
    const lockFile = join(directory, 'lock');
    const holderFile = join(directory, 'holder.json');
    const database = new DatabaseSync(lockFile);
    // By its name: to open and close the file would free the lock that this process may already have on it. It is empty anyway.
    await chmod(lockFile, 0o600).catch(() => undefined);
    try {
      // Without a journal the transaction needs no room on the disk.
      database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      throw new SpoolHeldError(directory, await readHolder(holderFile));
    }
    const holder: Holder = { service, pid: process.pid, host: hostname(), since: new Date().toISOString() };
    const lock = new SpoolLock(database);
    lock.name(holderFile, holder);
    return lock;
  }

  /** Only for people to read; a full disk is no reason not to start. At once, so that nobody reads the name of an earlier holder. */
  private name(file: string, holder: Holder): void {
    try {
      writeFileSync(file, JSON.stringify(holder), { mode: 0o600 });
    } catch {
      // Whoever comes second is told that the holder has not said its name.
    }
  }

  release(): void {
    this.database.close();
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

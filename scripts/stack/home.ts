import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type App, APPS, type Env } from './apps.js';

/**
 * Where one local stack keeps everything: `secrets/` (0600 files), `postgres/` (or a pointer to it), `spool/<app>/`,
 * `keys/`, `run/` (lock, last port), `logs/`. Removing it while the stack is stopped starts afresh.
 */
export interface Home {
  path: string;
  secrets: string;
  keys: string;
  run: string;
  logs: string;
  spool: (app: App) => string;
}

/** GRAVITAS_HOME, else `.gravitas` in the checkout, else (in a checkout that is not ours to write to) the user's state directory. */
export async function locateHome(checkout: string, env: Env): Promise<Home> {
  const chosen = env['GRAVITAS_HOME'];
  if (chosen !== undefined && chosen !== '') return homeAt(resolve(checkout, chosen));
  const inCheckout = join(checkout, '.gravitas');
  if ((await isWritable(checkout)) || (await isWritable(inCheckout))) return homeAt(inCheckout);
  const state = env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  return homeAt(join(state, 'gravitas', shortHash(checkout)));
}

/**
 * Makes the directories that are missing. Others may pass through the home (PostgreSQL's user has to) but not look into it.
 * @throws Error naming the directory and the fix when it belongs to somebody else.
 */
export async function ensureHome(home: Home): Promise<void> {
  try {
    const made = await mkdir(home.path, { recursive: true, mode: 0o711 });
    // Whatever the umask says; a directory that was there before keeps the mode its owner gave it.
    if (made !== undefined) await chmod(home.path, 0o711);
    const inner = [home.secrets, home.keys, home.run, home.logs, ...APPS.map(home.spool)];
    for (const directory of inner) await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const directory of inner) await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${home.path} cannot be used (${message}). Set GRAVITAS_HOME to a directory of your own.`, {
      cause,
    });
  }
}

/** Eight hex digits that tell one path from another. */
export function shortHash(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 8);
}

function homeAt(path: string): Home {
  return {
    path,
    secrets: join(path, 'secrets'),
    keys: join(path, 'keys'),
    run: join(path, 'run'),
    logs: join(path, 'logs'),
    spool: (app) => join(path, 'spool', app),
  };
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

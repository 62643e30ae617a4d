import { stat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openKeyFile } from '#key-files';
import { errorMessage } from '#errors';
import { isKeyName, NoteSigner, NoteVerifier } from '#tlog';
import { type Env } from '../stack/apps.js';
import { type Home } from '../stack/home.js';

const DEFAULT_NAME = 'gravitas';
const MAX_KEY_FILE = 100_000;

/**
 * Each given key is a verifier key (`name+hash+base64`), or a file with one in each line.
 *
 * @throws Error naming what is neither
 */
export async function readVerifierKeys(given: readonly string[]): Promise<NoteVerifier[]> {
  const keys: NoteVerifier[] = [];
  for (const each of given) keys.push(...(isVerifierKey(each) ? [NoteVerifier.parse(each)] : await keysIn(each)));
  const [first] = keys;
  if (first && keys.some(({ name }) => name !== first.name))
    throw new Error('--key: all keys must be of one log, and so have one name.');
  return keys;
}

function isVerifierKey(text: string): boolean {
  try {
    NoteVerifier.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function keysIn(path: string): Promise<NoteVerifier[]> {
  const text = await readKeyFile(path).catch((error: unknown) => {
    throw new Error(
      `--key: "${path}" is neither a verifier key (name+hash+base64) nor a file with one: ${errorMessage(error, 0)}`,
    );
  });
  const lines = text.split('\n').flatMap((line) => (line.trim() === '' || line.startsWith('#') ? [] : [line.trim()]));
  if (lines.length === 0 || !lines.every(isVerifierKey))
    throw new Error(`--key: ${path} must hold verifier keys (name+hash+base64), one in each line, and nothing else.`);
  return lines.map((line) => NoteVerifier.parse(line));
}

async function readKeyFile(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_KEY_FILE) throw new Error('is too large');
  return readFile(path, 'utf8');
}

export function logKeyPath(home: Home, env: Env): string {
  return env['GATEKEEPER_LOG_KEY_PATH'] || join(home.keys, 'transparency-log-key.pem');
}

/** The local stack's key, with which it signs its log; undefined when it has made none yet. */
export async function stackSigner(home: Home, env: Env): Promise<NoteSigner | undefined> {
  const path = logKeyPath(home, env);
  // Whoever asks for it must not make one.
  if (!(await stat(path).catch(() => undefined))) return undefined;
  const name = env['GATEKEEPER_LOG_NAME'] || DEFAULT_NAME;
  if (!isKeyName(name)) throw new Error('GATEKEEPER_LOG_NAME must not have spaces, a plus or control characters.');
  try {
    const { privateKey } = await openKeyFile(path);
    return new NoteSigner(name, Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'));
  } catch (error) {
    throw new Error(`${path}: ${errorMessage(error, 0)}`, { cause: error });
  }
}

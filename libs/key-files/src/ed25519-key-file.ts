import { createPrivateKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface KeyFile {
  privateKey: KeyObject;
  /** Others than its owner may read the file. */
  exposed: boolean;
}

/**
 * Reads an Ed25519 private key (PKCS8 PEM), and makes it first where there is none. Instances that do so at once end with the same key.
 *
 * @throws Error when the file cannot be read or made, or holds anything else
 */
export async function openKeyFile(path: string): Promise<KeyFile> {
  const pem = (await readIfPresent(path)) ?? (await makeOnce(path));
  return { privateKey: parse(pem), exposed: ((await stat(path)).mode & 0o077) !== 0 };
}

/**
 * Makes a key in a file of its own, durable before this resolves.
 *
 * @param pathOf where, by the key
 * @throws Error when there is such a file
 */
export async function makeKeyFile(pathOf: (key: KeyObject) => string): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const path = pathOf(privateKey);
  await writeDurably(path, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await syncDirectory(dirname(path));
  return privateKey;
}

/** Makes what was renamed or created in it survive a loss of power. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function parse(pem: string): KeyObject {
  const key = privateKeyOf(pem);
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new Error(
    'is not an Ed25519 private key (PKCS8 PEM). Put the right file there, or move this one away: the next start makes a new key',
  );
}

function privateKeyOf(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** Linked into place when it is complete: the link fails where there is a key, and nobody ever reads half of one. */
async function makeOnce(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  try {
    await makeKeyFile(() => temporary);
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
  return readFile(path, 'utf8');
}

async function writeDurably(path: string, text: string | Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

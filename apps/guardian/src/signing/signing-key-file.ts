import { createPrivateKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from '#config';
import { errorMessage } from '#errors';
import { KeyPair } from './key-pair.js';

export interface SigningKeyFile {
  key: KeyPair;
  /** Others than its owner may read the file. */
  exposed: boolean;
}

/**
 * Reads the signing key, and makes it first where there is none. Instances that do so at once end with the same key.
 *
 * @throws ConfigError naming the file when it cannot be read or made, or holds anything but an Ed25519 private key
 */
export async function openSigningKey(path: string): Promise<SigningKeyFile> {
  try {
    const pem = (await readIfPresent(path)) ?? (await make(path));
    return { key: parse(pem), exposed: ((await stat(path)).mode & 0o077) !== 0 };
  } catch (error) {
    throw new ConfigError('guardian', [`GUARDIAN_SIGNING_KEY_PATH: ${path}: ${errorMessage(error, 0)}`]);
  }
}

/** Makes a key in a file of its own, durable before this resolves. @param pathOf where, by the key's id */
export async function makeSigningKey(pathOf: (keyId: string) => string): Promise<KeyPair> {
  const { privateKey: made } = generateKeyPairSync('ed25519');
  const key = new KeyPair(made);
  const path = pathOf(key.keyId);
  await writeDurably(path, made.export({ type: 'pkcs8', format: 'pem' }));
  await syncDirectory(dirname(path));
  return key;
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

function parse(pem: string): KeyPair {
  const key = privateKey(pem);
  if (key?.asymmetricKeyType === 'ed25519') return new KeyPair(key);
  throw new Error(
    'is not an Ed25519 private key (PKCS8 PEM). Put the right file there, or move this one away: ' +
      'the next start makes a new key, and what the old one signed stays valid',
  );
}

function privateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** Linked into place when it is complete: the link fails where there is a key, and nobody ever reads half of one. */
async function make(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  try {
    await writeDurably(temporary, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
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

import { ConfigError } from '#config';
import { errorMessage } from '#errors';
import { makeKeyFile, openKeyFile } from '#key-files';
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
    const { privateKey, exposed } = await openKeyFile(path);
    return { key: new KeyPair(privateKey), exposed };
  } catch (error) {
    throw new ConfigError('guardian', [`GUARDIAN_SIGNING_KEY_PATH: ${path}: ${errorMessage(error, 0)}`]);
  }
}

/** Makes a key in a file of its own, durable before this resolves. @param pathOf where, by the key's id */
export async function makeSigningKey(pathOf: (keyId: string) => string): Promise<KeyPair> {
  return new KeyPair(await makeKeyFile((key) => pathOf(new KeyPair(key).keyId)));
}

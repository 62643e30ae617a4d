import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { errorMessage } from '#errors';
import { syncDirectory } from '#key-files';
import { type Logger } from '#logging';
import { type KeyPair } from './key-pair.js';
import { makeSigningKey, openSigningKey } from './signing-key-file.js';

const NEXT = /\.([0-9a-f]{64})\.next$/;

/**
 * The file of the key that this host signs with, and beside it, as `<file>.<key id>.next`, keys that are to take its place. All instances
 * with the same file sign with the same key: each looks at the file before it signs.
 */
export class KeyFiles {
  private constructor(
    private readonly path: string,
    private readonly logger: Logger,
    private loaded: KeyPair,
    /** What the file looked like when it was read. */
    private seen: string | undefined,
  ) {}

  /** Reads the file; makes it where there is none. @throws ConfigError naming it */
  static async open(path: string, logger: Logger): Promise<KeyFiles> {
    const seen = await look(path);
    const { key, exposed } = await openSigningKey(path);
    if (exposed) logger.warn({ path }, 'others can read the signing key and make certificates; chmod 600 it');
    logger.info({ key_id: key.keyId, path }, 'signing key loaded');
    return new KeyFiles(path, logger, key, seen);
  }

  /** The key in the file, as it is now. Where there is no file any more, or no key in it, the last one that there was. */
  async current(): Promise<KeyPair> {
    const seen = await look(this.path);
    if (seen === undefined || seen === this.seen) return this.loaded;
    try {
      const { key } = await openSigningKey(this.path);
      if (key.keyId !== this.loaded.keyId)
        this.logger.info({ key_id: key.keyId, previous_key_id: this.loaded.keyId }, 'another signing key is in place');
      this.loaded = key;
    } catch (error) {
      this.logger.error({ path: this.path }, `the signing key cannot be read again: ${errorMessage(error)}`);
    }
    this.seen = seen;
    return this.loaded;
  }

  /** Makes the key that is to be next. It is on disk when this resolves; where this fails, what is left is not complete. */
  async makeNext(): Promise<KeyPair> {
    return makeSigningKey((keyId) => this.nextPath(keyId));
  }

  /** The ids of keys that were made to be next, and have not been put in place. */
  async waiting(): Promise<string[]> {
    const start = `${basename(this.path)}.`;
    const names = await readdir(dirname(this.path));
    return names.flatMap((name) => (name.startsWith(start) && NEXT.exec(name)?.[1]) || []);
  }

  /** Puts a key in the place of the one before, whose private half is gone then. Nothing happens where another instance has done it. */
  async putInPlace(keyId: string): Promise<void> {
    await rename(this.nextPath(keyId), this.path).catch(ignoreMissing);
    await syncDirectory(dirname(this.path));
    await this.current();
  }

  async discard(keyId: string): Promise<void> {
    await rm(this.nextPath(keyId), { force: true });
  }

  private nextPath(keyId: string): string {
    return `${this.path}.${keyId}.next`;
  }
}

/** Changes whenever another file is there, or the same one was written. @returns undefined where there is none */
async function look(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(ignoreMissing);
  return found && [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ');
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

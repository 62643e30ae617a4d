import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '#errors';
import { POLICY_LIMITS } from './policy-data.js';
import { PolicyError } from './policy-error.js';

/** What a look at the file gave: its bytes, or why there are none; and which file it was. */
export type Reading = { signature: string } & ({ bytes: Uint8Array } | { problem: PolicyError });

const ATTEMPTS = 5;
const PAUSE_MS = 50;

/** The policy file, wherever its path leads at the moment. */
export class PolicySource {
  constructor(readonly path: string) {}

  /** Tells one state of the file from another: which file it is, its size, its times; or why it is not there. Never throws. */
  async signature(): Promise<string> {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(this.path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(':');
    } catch (error) {
      return `none: ${(error as NodeJS.ErrnoException).code ?? errorMessage(error, 0)}`;
    }
  }

  /**
   * Reads one state of the file: it was the same before and after.
   *
   * @throws Error when it changes all the time
   */
  async read(): Promise<Reading> {
    for (let attempt = 1; ; attempt++) {
      const signature = await this.signature();
      const content = await this.content();
      if ((await this.signature()) === signature) return { signature, ...content };
      if (attempt === ATTEMPTS) throw new Error(`${this.path} changes while it is read`);
      await sleep(PAUSE_MS);
    }
  }

  private async content(): Promise<{ bytes: Uint8Array } | { problem: PolicyError }> {
    try {
      return { bytes: await readBounded(this.path) };
    } catch (error) {
      const problem =
        error instanceof PolicyError ? error : new PolicyError(errorMessage(error, 0), undefined, { cause: error });
      return { problem };
    }
  }
}

/** One byte more than is allowed is enough to know that it is too much. */
async function readBounded(path: string): Promise<Uint8Array> {
  // Without waiting: the opening of a pipe that nobody writes to never ends.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new PolicyError('it is not a file');
    if (found.size > POLICY_LIMITS.bytes)
      throw new PolicyError(`it has ${found.size} bytes; at most ${POLICY_LIMITS.bytes} are taken`);
    const buffer = Buffer.alloc(found.size + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await handle.close();
  }
}

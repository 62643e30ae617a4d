import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { readCheckpoint, tenantOrigin } from '#tlog';
import { readIfPresent, replaceFile } from '../stack/atomic-file.js';
import { type Home } from '../stack/home.js';

/** Of each log. The newest vouches for all before it; more of them tell how far back a fault is. */
const MAX_KEPT = 100;

const savedFile = z.object({
  format: z.literal('gravitas-saved-checkpoints/v1'),
  /** By the log's origin, the oldest first. */
  logs: z.record(z.string(), z.object({ tenant: z.string(), notes: z.array(z.string()) })),
});
type Logs = z.output<typeof savedFile>['logs'];

/** Where the checkpoints of a log of that name are, unless told otherwise. */
export function savedPath(home: Home, log: string): string {
  return join(home.path, 'verify', `${encodeURIComponent(log)}.json`);
}

/**
 * Checkpoints that this verifier has seen and found right. A log that was cut off or written anew, by whoever has even its key, disagrees
 * with them, so they belong where those that keep the log cannot write.
 */
export class SavedCheckpoints {
  constructor(
    readonly path: string,
    private readonly log: string,
  ) {}

  /** By tenant. @throws Error when the file is none of ours: it is not to be overwritten */
  async read(): Promise<Map<string, string[]>> {
    const logs = await this.logs();
    return new Map(
      Object.entries(logs).flatMap(([origin, { tenant, notes }]) =>
        origin === tenantOrigin(this.log, tenant) ? [[tenant, notes] as const] : [],
      ),
    );
  }

  /** Adds the newest of each tenant; what another run has saved meanwhile stays. */
  async add(notes: ReadonlyMap<string, string>): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const logs = await this.logs();
    for (const [tenant, note] of notes) {
      const origin = tenantOrigin(this.log, tenant);
      const known = Object.hasOwn(logs, origin) ? logs[origin]!.notes : [];
      if (known.some((other) => readCheckpoint(other).size === readCheckpoint(note).size)) continue;
      const all = [...known, note].sort((a, b) => readCheckpoint(a).size - readCheckpoint(b).size);
      logs[origin] = { tenant, notes: all.slice(-MAX_KEPT) };
    }
    await replaceFile(
      this.path,
      `${JSON.stringify({ format: 'gravitas-saved-checkpoints/v1', logs }, undefined, 2)}\n`,
    );
  }

  private async logs(): Promise<Logs> {
    const text = await readIfPresent(this.path);
    if (text === undefined) return {};
    try {
      return savedFile.parse(JSON.parse(text)).logs;
    } catch (error) {
      throw new Error(
        `${this.path} does not hold saved checkpoints. Name another file with --save, or use --no-save.`,
        {
          cause: error,
        },
      );
    }
  }
}

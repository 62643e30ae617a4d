import { join } from 'node:path';
import { letterOf, type DeadLetter } from './letter-line.js';
import { LineFile } from './line-file.js';
import { type SpoolFiles } from './spool/spool-files.js';

/**
 * Dead letters that a re-drive took, in files of their own. They stay there until `done`; without it the next `take` has them again.
 * Read them all, put back those that are refused, then call `done`.
 */
export class DeadLetterBatch {
  /** Lines that were no letters, so far. They are in the folder `damaged`. */
  damaged = 0;
  private readToEnd = false;
  private readonly putBackIds = new Set<string>();

  constructor(
    private readonly directory: string,
    private readonly names: readonly string[],
    private readonly files: SpoolFiles,
    private readonly append: (letters: readonly DeadLetter[]) => Promise<void>,
  ) {}

  /** A few hundred at a time, oldest first. @throws what the file system throws */
  async *letters(): AsyncGenerator<DeadLetter[]> {
    for (const name of this.names) {
      // Named after the file, and made anew: reading it again after a crash keeps nothing twice.
      const aside = new LineFile(join(this.directory, 'damaged'), name.replace('.redriving', ''), this.files);
      let asideLines = 0;
      for await (const lines of new LineFile(this.directory, name, this.files).lines()) {
        const letters = lines.map((line) => ({ line, letter: letterOf(line) }));
        const damaged = letters.filter(({ letter }) => letter === undefined).map(({ line }) => line);
        if (damaged.length > 0) {
          if (asideLines === 0) await aside.empty();
          await aside.append(damaged);
          asideLines += damaged.length;
          this.damaged += damaged.length;
        }
        yield letters.map(({ letter }) => letter).filter((letter) => letter !== undefined);
      }
    }
    this.readToEnd = true;
  }

  /** Keeps letters that are still refused, with their new reasons; each only once. @throws what the file system throws */
  async putBack(letters: readonly DeadLetter[]): Promise<void> {
    const fresh = letters.filter(({ event }) => !this.putBackIds.has(event.id));
    if (fresh.length === 0) return;
    await this.append(fresh);
    for (const { event } of fresh) this.putBackIds.add(event.id);
  }

  /** Removes what was taken. Every letter must have been delivered or put back. @throws what the file system throws */
  async done(): Promise<void> {
    if (!this.readToEnd) throw new Error('dead letters that were not read would be lost');
    for (const name of this.names) {
      await this.files.unlink(join(this.directory, name)).catch((error: NodeJS.ErrnoException) => {
        // Another re-drive has taken the same file, and was faster.
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }
}

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type AuditEvent } from '#contracts';
import { DeadLetterBatch } from './dead-letter-batch.js';
import { letterLine, letterOf, type DeadLetter } from './letter-line.js';
import { LineFile } from './line-file.js';
import { nodeFiles, type SpoolFiles } from './spool/spool-files.js';

const NAME = 'dead-letters.ndjson';
/** The name of a file that a re-drive took: microseconds since 1970, so that names sort by time, and what makes it its own. */
const TAKEN = /^dead-letters\.\d{16}-[0-9a-f-]{36}\.redriving\.ndjson$/;

/**
 * Events that the sink can never take as things are, each with the reason, one JSON object a line in `dead-letters.ndjson`:
 * `{...event, dead_letter_reason, dead_lettered_at}`.
 *
 * A service adds letters while another process drives them again. A letter is on the disk when `add` resolves, and is removed only
 * when it was delivered, or put back with a new reason; a crash or a kill at any point loses none. It may make one be sent twice,
 * which the trail knows by its id.
 */
export class DeadLetters {
  constructor(
    private readonly directory: string,
    private readonly files: SpoolFiles = nodeFiles,
    private readonly now: () => number = Date.now,
  ) {}

  /** Resolves when the letter is on the disk. @throws what the file system throws; the letter may be added again */
  add(event: AuditEvent, reason: string): Promise<void> {
    return this.append([{ event, reason }]);
  }

  /** Letters in all files, those that an interrupted re-drive left included. @throws what the file system throws */
  async count(): Promise<number> {
    let count = 0;
    for await (const letters of this.read()) count += letters.length;
    return count;
  }

  /** The letters as they are, a few hundred at a time, oldest first; nothing is changed. Lines that are none are left out. */
  async *read(): AsyncGenerator<DeadLetter[]> {
    for (const name of await this.names()) {
      for await (const lines of this.file(name).lines())
        yield lines.map(letterOf).filter((letter) => letter !== undefined);
    }
  }

  /**
   * Takes all letters there are, and those that an interrupted re-drive took. What is added from now on is not among them.
   * @throws what the file system throws; all letters are where they were, or taken
   */
  async take(): Promise<DeadLetterBatch> {
    const microseconds = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    const taken = `dead-letters.${microseconds}-${randomUUID()}.redriving.ndjson`;
    await this.files.rename(join(this.directory, NAME), join(this.directory, taken)).catch(ignoreMissing);
    const names = (await this.names()).filter((name) => TAKEN.test(name));
    return new DeadLetterBatch(this.directory, names, this.files, (letters) => this.append(letters));
  }

  private append(letters: readonly DeadLetter[]): Promise<void> {
    const at = new Date(this.now()).toISOString();
    return this.file(NAME).append(letters.map((letter) => letterLine(letter, at)));
  }

  /** Of the files that hold letters, oldest first. */
  private async names(): Promise<string[]> {
    const names = (await this.files.list(this.directory).catch(ignoreMissing)) ?? [];
    const taken = names.filter((name) => TAKEN.test(name)).sort();
    return names.includes(NAME) ? [...taken, NAME] : taken;
  }

  private file(name: string): LineFile {
    return new LineFile(this.directory, name, this.files);
  }
}

/** No file, or no directory: no letters. */
function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

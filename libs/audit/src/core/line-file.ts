import { join } from 'node:path';
import { makeLastingDirectory, readFully, type SpoolFiles } from './spool/spool-files.js';

const BLOCK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const FRESH_LINE = Buffer.from([NEWLINE]);
/** A second short write in a row means that the disk is about to say why. */
const ATTEMPTS = 3;

/** A file of lines that several processes add to, and that one of them may rename meanwhile. Readable for its owner only. */
export class LineFile {
  readonly path: string;

  constructor(
    private readonly directory: string,
    name: string,
    private readonly files: SpoolFiles,
  ) {
    this.path = join(directory, name);
  }

  /** Adds lines and forces them to the disk. @throws what the file system throws; the lines may be there in part */
  async append(lines: readonly Buffer[]): Promise<void> {
    await makeLastingDirectory(this.files, this.directory);
    const bytes = Buffer.concat(lines.flatMap((line) => [line, FRESH_LINE]));
    // Who renames the file reads it afterwards. So lines that were written before the path led elsewhere have been, or will be,
    // read; of others nobody can tell, and they are written again.
    while (!(await this.appendTo(bytes)));
  }

  /**
   * The lines there are, without those that are empty, as many at a time as a block of the file holds. None when there is no file.
   * @throws what the file system throws
   */
  async *lines(): AsyncGenerator<Buffer[]> {
    const fd = this.openIfPresent();
    if (fd === undefined) return;
    try {
      let rest: Buffer = Buffer.alloc(0);
      for (let position = 0, ended = false; !ended;) {
        const block = Buffer.alloc(BLOCK_BYTES);
        const bytes = await readFully(this.files, fd, block, position);
        position += bytes;
        ended = bytes < block.length;
        const pieces = split(Buffer.concat([rest, block.subarray(0, bytes)]));
        rest = ended ? Buffer.alloc(0) : pieces.pop()!;
        const lines = pieces.filter((line) => line.length > 0);
        if (lines.length > 0) yield lines;
      }
    } finally {
      await this.files.close(fd);
    }
  }

  /** Makes the file anew, without lines. @throws what the file system throws */
  async empty(): Promise<void> {
    await makeLastingDirectory(this.files, this.directory);
    const fd = this.files.openSync(this.path, true);
    try {
      this.files.truncateSync(fd, 0);
    } finally {
      await this.files.close(fd);
    }
  }

  /** @returns whether the path still leads to the file that was written */
  private async appendTo(bytes: Buffer): Promise<boolean> {
    const fd = this.files.openAppendSync(this.path);
    try {
      const size = this.files.size(fd);
      this.write(fd, (await this.endsInLine(fd, size)) ? bytes : Buffer.concat([FRESH_LINE, bytes]));
      await this.files.datasync(fd);
      if (size === 0) await this.files.syncDirectory(this.directory);
      return this.files.leadsTo(this.path, fd);
    } finally {
      await this.files.close(fd);
    }
  }

  /** Each line is written whole, or written again on a line of its own: behind a part of it another process may have added something. */
  private write(fd: number, bytes: Buffer): void {
    for (let attempt = 1, whole = bytes; attempt <= ATTEMPTS; attempt++) {
      if (this.files.appendSync(fd, whole) === whole.length) return;
      whole = Buffer.concat([FRESH_LINE, bytes]);
    }
    throw new Error(`the file system does not take whole lines in ${this.path}, and gives no reason`);
  }

  /** What a crash has torn stays alone on its line. */
  private async endsInLine(fd: number, size: number): Promise<boolean> {
    const last = Buffer.alloc(1);
    const bytes = size === 0 ? 0 : await readFully(this.files, fd, last, size - 1);
    return bytes === 0 || last[0] === NEWLINE;
  }

  private openIfPresent(): number | undefined {
    try {
      return this.files.openSync(this.path, false);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** At its line ends; the last piece is what follows the last of them. */
function split(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
    pieces.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return [...pieces, bytes.subarray(from)];
}

import { join } from 'node:path';
import { HEADER_BYTES, type Beginning } from './segment-format.js';
import { readFully, writeFully, type SpoolFiles } from './spool-files.js';

const NAME = /^(\d{16})\.segment$/;

/** One file of the spool. Positions are bytes from its beginning. */
export class Segment {
  /** What the file holds, up to here. */
  written = 0;
  /** How many records the file holds. */
  frames = 0;
  /** What was before it, behind the header, went back to the disk. */
  first: Beginning = { offset: HEADER_BYTES, index: 0 };
  /** Whether its name in the directory is known to be on the disk. */
  named = false;
  /** Or about to be: nothing is written to it any more. */
  removed = false;
  readonly path: string;
  private fd: number | undefined;
  private readonly uses = new Set<Promise<unknown>>();

  constructor(
    private readonly files: SpoolFiles,
    directory: string,
    readonly number: number,
  ) {
    this.path = join(directory, `${String(number).padStart(16, '0')}.segment`);
  }

  /** That it takes on the disk. */
  get bytes(): number {
    return this.written - (this.first.offset - HEADER_BYTES);
  }

  /** @returns undefined when a file of this name is no segment */
  static numberOf(fileName: string): number | undefined {
    const digits = NAME.exec(fileName)?.[1];
    return digits === undefined ? undefined : Number(digits);
  }

  /** Finds the file of an earlier run. @throws what the file system throws */
  measure(): void {
    this.fd ??= this.files.openSync(this.path, false);
    this.written = this.files.size(this.fd);
  }

  /** Makes the file if need be. After a failure the same bytes may be written again. @throws what the file system throws */
  write(bytes: Uint8Array, position: number): void {
    this.fd ??= this.files.openSync(this.path, true);
    writeFully(this.files, this.fd, bytes, position);
    this.written = Math.max(this.written, position + bytes.length);
  }

  /** Gives the room of everything, header included, back to the disk; what begins at `first` is yet to be written. @throws what the file system throws */
  free(first: Beginning): void {
    if (this.fd === undefined) return;
    this.files.truncateSync(this.fd, 0);
    this.first = first;
  }

  /** @returns fewer bytes than asked when the file ends before */
  async read(position: number, length: number): Promise<Buffer> {
    const fd = (this.fd ??= this.files.openSync(this.path, false));
    const buffer = Buffer.allocUnsafe(length);
    return buffer.subarray(0, await this.use(readFully(this.files, fd, buffer, position)));
  }

  async datasync(): Promise<void> {
    const fd = (this.fd ??= this.files.openSync(this.path, false));
    await this.use(this.files.datasync(fd));
  }

  /** Gives its descriptor back unless it is in use; the next call that needs one opens the file again. */
  rest(): void {
    const { fd } = this;
    if (fd === undefined || this.uses.size > 0) return;
    this.fd = undefined;
    // Nothing depends on it: what was written is in the file.
    this.use(this.files.close(fd)).catch(() => undefined);
  }

  /** Closes the file when nobody uses it any more. */
  async close(): Promise<void> {
    await Promise.allSettled(this.uses);
    const fd = this.fd;
    this.fd = undefined;
    if (fd !== undefined) await this.files.close(fd);
  }

  /** Removes the file; may be called again after a failure. @throws what the file system throws */
  async remove(): Promise<void> {
    this.removed = true;
    await this.close();
    await this.files.unlink(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }

  private use<T>(work: Promise<T>): Promise<T> {
    this.uses.add(work);
    const done = (): boolean => this.uses.delete(work);
    work.then(done, done);
    return work;
  }
}

import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';

const MAX_FILE_BYTES = 10 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const MAX_LINE = 64 * 1024;

/**
 * One service's log. The service writes to the file itself (hand it `fd`), so that it can go on writing, and shut down in
 * order, when we are killed; what it writes is read back from here to be shown. Rotated to `.1` above 10 MiB when opened.
 */
export class LogFile {
  private readonly chunk = Buffer.alloc(CHUNK_BYTES);
  private readonly decoder = new StringDecoder('utf8');
  private partial = '';
  private reading: Promise<void> = Promise.resolve();

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private offset: number,
    private readonly onLine: (line: string) => void,
  ) {}

  static async open(path: string, onLine: (line: string) => void): Promise<LogFile> {
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    if (size > MAX_FILE_BYTES) await rename(path, `${path}.1`);
    const file = await open(path, 'a+', 0o600);
    return new LogFile(path, file, (await file.stat()).size, onLine);
  }

  /** To be the stdout and stderr of a child. */
  get fd(): number {
    return this.file.fd;
  }

  /** Hands on every line that was written since the last call. Calls take turns. */
  poll(): Promise<void> {
    this.reading = this.reading.then(() => this.readNew());
    return this.reading;
  }

  async close(): Promise<void> {
    await this.poll();
    if (this.partial !== '') this.onLine(this.partial);
    this.partial = '';
    await this.file.close();
  }

  private async readNew(): Promise<void> {
    for (;;) {
      const { bytesRead } = await this.file.read(this.chunk, 0, CHUNK_BYTES, this.offset);
      if (bytesRead === 0) return;
      this.offset += bytesRead;
      this.take(this.decoder.write(this.chunk.subarray(0, bytesRead)));
    }
  }

  private take(text: string): void {
    const lines = (this.partial + text).split('\n');
    this.partial = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) if (line !== '') this.onLine(line.slice(0, MAX_LINE));
  }
}

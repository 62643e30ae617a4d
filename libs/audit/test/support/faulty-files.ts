import { nodeFiles, type SpoolFiles } from '#audit';

type Call = keyof SpoolFiles;
/** Those that a test makes fail. A `shortWrite` or a `shortAppend` succeeds, with half of the bytes. */
export type FaultyCall = Call | 'shortWrite' | 'shortAppend';

/**
 * The real file system, except that the test can make the n-th call of a kind fail, or the whole disk refuse.
 * Nothing is done by a call that fails, but for a close: after that the descriptor is gone, as it is on Linux.
 */
export class FaultyFiles implements SpoolFiles {
  /** Calls so far, by kind. */
  readonly calls: Partial<Record<FaultyCall, number>> = {};
  /** Set: everything that takes room or reaches the disk fails with this code. */
  refusal: 'ENOSPC' | 'EIO' | undefined;
  private fault: { call: FaultyCall; at: number; code: string } | undefined;
  /** Whether the fault that was asked for has happened. */
  happened = false;

  /** The `at`th call (from 1) of this kind, counted from now, fails with `code`. */
  failAt(call: FaultyCall, at: number, code: 'ENOSPC' | 'EIO'): void {
    for (const key of Object.keys(this.calls) as FaultyCall[]) delete this.calls[key];
    this.fault = { call, at, code };
    this.happened = false;
  }

  makeDirectory = (path: string): Promise<string | undefined> =>
    this.later('makeDirectory', () => nodeFiles.makeDirectory(path));
  list = (directory: string): Promise<string[]> => this.later('list', () => nodeFiles.list(directory));
  openSync = (path: string, create: boolean): number => this.now('openSync', () => nodeFiles.openSync(path, create));
  openAppendSync = (path: string): number => this.now('openAppendSync', () => nodeFiles.openAppendSync(path));
  appendSync = (fd: number, bytes: Uint8Array): number => {
    const short = this.isDue('shortAppend');
    return this.now('appendSync', () => nodeFiles.appendSync(fd, short ? half(bytes) : bytes));
  };
  leadsTo = (path: string, fd: number): boolean => this.now('leadsTo', () => nodeFiles.leadsTo(path, fd));
  truncateSync = (fd: number, length: number): void =>
    this.now('truncateSync', () => nodeFiles.truncateSync(fd, length));
  size = (fd: number): number => this.now('size', () => nodeFiles.size(fd));
  datasync = (fd: number): Promise<void> => this.later('datasync', () => nodeFiles.datasync(fd));
  syncDirectory = (path: string): Promise<void> => this.later('syncDirectory', () => nodeFiles.syncDirectory(path));
  close = async (fd: number): Promise<void> => {
    await nodeFiles.close(fd);
    return this.now('close', () => undefined);
  };
  rename = (from: string, to: string): Promise<void> => this.later('rename', () => nodeFiles.rename(from, to));
  unlink = (path: string): Promise<void> => this.later('unlink', () => nodeFiles.unlink(path));
  read = (fd: number, buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> =>
    this.later('read', () => nodeFiles.read(fd, buffer, offset, length, position));

  writeSync = (fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number => {
    const short = this.isDue('shortWrite');
    return this.now('writeSync', () =>
      nodeFiles.writeSync(fd, buffer, offset, short ? Math.ceil(length / 2) : length, position),
    );
  };

  private now<T>(call: Call, work: () => T): T {
    const refused =
      this.refusal !== undefined && (call === 'writeSync' || call === 'appendSync' || call === 'datasync');
    if (this.isDue(call)) throw failure(this.fault!.code, call);
    if (refused) throw failure(this.refusal!, call);
    return work();
  }

  private async later<T>(call: Call, work: () => Promise<T>): Promise<T> {
    return this.now(call, work);
  }

  private isDue(call: FaultyCall): boolean {
    const count = (this.calls[call] ?? 0) + 1;
    this.calls[call] = count;
    if (this.fault?.call !== call || this.fault.at !== count) return false;
    this.happened = true;
    return true;
  }
}

const half = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, Math.ceil(bytes.length / 2));

function failure(code: string, call: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made to fail, ${call}`), { code, syscall: call });
}

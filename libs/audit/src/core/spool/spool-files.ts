import * as fs from 'node:fs';
import { mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/**
 * The file calls that the audit path makes, and no others: the seam through which a test makes any of them fail.
 * Writing into a segment is synchronous, because a write to the page cache takes microseconds and a thread's round trip many times
 * that; everything that may wait for the disk itself is not.
 */
export interface SpoolFiles {
  /** With its parents; only its owner may enter. Nothing happens when it is there. @returns the first of them that was made */
  makeDirectory(path: string): Promise<string | undefined>;
  /** Names in a directory. */
  list(directory: string): Promise<string[]>;
  /** A file descriptor for reading and writing; `create` makes the file when it is not there. Readable for its owner only. */
  openSync(path: string, create: boolean): number;
  /** Writes at a position, and may write less than asked. @returns bytes written */
  writeSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number;
  /** A file descriptor for reading, and for writing behind whatever any process has written; makes the file when it is not there. */
  openAppendSync(path: string): number;
  /** Writes at the end of the file, and may write less than asked. @returns bytes written */
  appendSync(fd: number, bytes: Uint8Array): number;
  /** Whether the path leads to the open file, which it does not once the file was renamed or removed. */
  leadsTo(path: string, fd: number): boolean;
  truncateSync(fd: number, length: number): void;
  size(fd: number): number;
  /** @returns bytes read, 0 at the end of the file */
  read(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  /** Resolves when the file's data, and what is needed to find it, is on the disk. */
  datasync(fd: number): Promise<void>;
  /** Resolves when the directory's entries are on the disk. */
  syncDirectory(path: string): Promise<void>;
  close(fd: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

const { O_APPEND, O_CREAT, O_RDWR } = fs.constants;
const OWNER_ONLY = 0o600;

/** The file system itself. */
export const nodeFiles: SpoolFiles = {
  makeDirectory: (path) => mkdir(path, { recursive: true, mode: 0o700 }),
  list: (directory) => readdir(directory),
  openSync: (path, create) => fs.openSync(path, create ? O_RDWR | O_CREAT : O_RDWR, OWNER_ONLY),
  writeSync: (fd, buffer, offset, length, position) => fs.writeSync(fd, buffer, offset, length, position),
  openAppendSync: (path) => fs.openSync(path, O_RDWR | O_CREAT | O_APPEND, OWNER_ONLY),
  appendSync: (fd, bytes) => fs.writeSync(fd, bytes),
  leadsTo: (path, fd) => {
    const [named, open] = [fs.statSync(path, { throwIfNoEntry: false }), fs.fstatSync(fd)];
    return named?.ino === open.ino && named.dev === open.dev;
  },
  truncateSync: (fd, length) => fs.ftruncateSync(fd, length),
  size: (fd) => fs.fstatSync(fd).size,
  read: (fd, buffer, offset, length, position) =>
    new Promise((resolve, reject) =>
      fs.read(fd, buffer, offset, length, position, (error, bytes) => (error ? reject(error) : resolve(bytes))),
    ),
  datasync: (fd) => new Promise((resolve, reject) => fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()))),
  syncDirectory: async (path) => {
    const directory = await open(path);
    await directory.sync().finally(() => directory.close());
  },
  close: (fd) => new Promise((resolve, reject) => fs.close(fd, (error) => (error ? reject(error) : resolve()))),
  rename: (from, to) => rename(from, to),
  unlink: (path) => unlink(path),
};

/**
 * Makes a directory that a loss of power leaves where it is: its name, and those of the parents that were missing, are on the disk.
 *
 * @throws what the file system throws
 */
export async function makeLastingDirectory(files: SpoolFiles, path: string): Promise<void> {
  const first = await files.makeDirectory(path);
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let parent = dirname(resolve(path)); parent.length >= top.length; parent = dirname(parent)) {
    await files.syncDirectory(parent);
    if (parent === top) return;
  }
}

/** Writes all of it, however often the file system takes only a part. @throws what the file system throws */
export function writeFully(files: SpoolFiles, fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const written = files.writeSync(fd, bytes, done, bytes.length - done, position + done);
    if (written === 0) throw new Error('the file system wrote nothing and gave no reason');
    done += written;
  }
}

/** Reads until the buffer is full or the file ends. @returns bytes read */
export async function readFully(files: SpoolFiles, fd: number, buffer: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const bytes = await files.read(fd, buffer, done, buffer.length - done, position + done);
    if (bytes === 0) break;
    done += bytes;
  }
  return done;
}

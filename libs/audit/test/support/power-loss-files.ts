import { copyFileSync, existsSync, fstatSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FaultyFiles } from './faulty-files.js';

interface Write {
  position: number;
  /** undefined: the file was cut here. */
  bytes: Buffer | undefined;
}

interface Remembered {
  path: string;
  /** What is on the disk. */
  synced: Buffer;
  /** What is only in the kernel's memory. */
  pending: Write[];
  /** Whether the directory with its name is on the disk. */
  named: boolean;
}

/**
 * Knows what of the files would be there after a loss of power, at worst: what an fdatasync has confirmed, under names that the directory's
 * sync has confirmed. A sync that fails forgets what it should have written and does not fail again for it, as Linux does.
 * Source: Rebello et al., "Can Applications Recover from fsync Failures?" (USENIX ATC 2020).
 */
export class PowerLossFiles extends FaultyFiles {
  private readonly byPath = new Map<string, Remembered>();
  private readonly byFd = new Map<number, Remembered>();

  constructor() {
    super();
    const { openSync, openAppendSync, writeSync, appendSync, truncateSync, datasync, syncDirectory, unlink } = this;
    this.openSync = (path, create) => this.opened(path, () => openSync(path, create));
    this.openAppendSync = (path) => this.opened(path, () => openAppendSync(path));
    this.writeSync = (fd, buffer, offset, length, position) => {
      const written = writeSync(fd, buffer, offset, length, position);
      this.note(fd, { position, bytes: Buffer.from(buffer.subarray(offset, offset + written)) });
      return written;
    };
    this.appendSync = (fd, bytes) => {
      const position = fstatSync(fd).size;
      const written = appendSync(fd, bytes);
      this.note(fd, { position, bytes: Buffer.from(bytes.subarray(0, written)) });
      return written;
    };
    this.truncateSync = (fd, length) => {
      truncateSync(fd, length);
      this.note(fd, { position: length, bytes: undefined });
    };
    this.datasync = async (fd) => {
      const file = this.byFd.get(fd)!;
      const writes = file.pending;
      file.pending = [];
      await datasync(fd).catch((error: unknown) => {
        // What was written meanwhile may be among what was called clean.
        file.pending = [];
        throw error;
      });
      for (const write of writes) file.synced = apply(file.synced, write);
    };
    this.syncDirectory = async (path) => {
      const files = [...this.byPath.values()].filter((file) => dirname(file.path) === path);
      await syncDirectory(path);
      for (const file of files) file.named = true;
    };
    this.unlink = async (path) => {
      await unlink(path);
      this.byPath.delete(path);
    };
  }

  /** Makes the files in another directory as they would be after a loss of power now; those in `lucky` were written back in time. */
  leave(directory: string, lucky: readonly string[]): void {
    for (const { path, synced, named } of this.byPath.values()) {
      const name = basename(path);
      if (lucky.includes(name)) copyIfThere(path, join(directory, name));
      else if (named) writeFileSync(join(directory, name), synced);
    }
  }

  private opened(path: string, open: () => number): number {
    const known = this.byPath.get(path);
    const earlier = !known && existsSync(path) ? readFileSync(path) : undefined;
    const fd = open();
    const file = known ?? { path, synced: earlier ?? Buffer.alloc(0), pending: [], named: earlier !== undefined };
    this.byPath.set(path, file);
    this.byFd.set(fd, file);
    return fd;
  }

  private note(fd: number, write: Write): void {
    this.byFd.get(fd)!.pending.push(write);
  }
}

/** A removal may be under way, and be faster. */
function copyIfThere(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function apply(content: Buffer, { position, bytes }: Write): Buffer {
  if (!bytes) return content.subarray(0, position);
  const next = Buffer.alloc(Math.max(content.length, position + bytes.length));
  content.copy(next);
  bytes.copy(next, position);
  return next;
}

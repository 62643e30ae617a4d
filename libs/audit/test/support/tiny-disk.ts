import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const run = (program: string, ...args: string[]): void => {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
};

/** A tmpfs of one MiB. */
export class TinyDisk {
  private constructor(readonly directory: string) {}

  /** @throws Error where mounting is not permitted */
  static mount(): TinyDisk {
    const directory = mkdtempSync(join(tmpdir(), 'gravitas-tiny-disk-'));
    try {
      run('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', directory);
    } catch (error) {
      rmSync(directory, { recursive: true });
      throw error;
    }
    return new TinyDisk(directory);
  }

  /** Whether this user may mount one. */
  static isPermitted(): boolean {
    try {
      TinyDisk.mount().remove();
      return true;
    } catch {
      return false;
    }
  }

  grow(): void {
    run('mount', '-o', 'remount,size=8m', this.directory);
  }

  remove(): void {
    // Detached in any case: it goes when the last file in it is closed.
    run('umount', '--lazy', this.directory);
    rmSync(this.directory, { recursive: true });
  }
}

/** The kernel lets this process write no file longer than so many bytes (EFBIG), as `ulimit -f` does; undefined: as long as it likes. */
export function limitFileSize(bytes: number | undefined): void {
  // The soft limit only, which everybody may raise again.
  run('prlimit', '--pid', String(process.pid), `--fsize=${bytes ?? 'unlimited'}:`);
}

import { nodeFiles, type SpoolFiles } from '#audit';
import { PowerLossFiles } from '../support/power-loss-files.js';

export type DiskError = 'ENOSPC' | 'EIO';

interface Death {
  /** File calls that still succeed. */
  calls: number;
  /** Of the bytes of the write that it interrupts. */
  part: number;
  die: () => void;
}

/** One logger's disk: it can fill up within a write, and its process can end within any file call. */
export class MortalFiles {
  readonly files: SpoolFiles;
  private readonly faulty = new PowerLossFiles();
  private filling: { code: DiskError; part: number } | undefined;
  private death: Death | undefined;

  constructor() {
    const { faulty } = this;
    this.files = new Proxy<SpoolFiles>(faulty, {
      get: (_target, name: keyof SpoolFiles) => {
        const call = faulty[name] as (...given: unknown[]) => unknown;
        return (...given: unknown[]): unknown => {
          this.beforeCall(name, given);
          return call(...given);
        };
      },
    });
  }

  /** @param part of the next write that still arrives */
  refuse(code: DiskError, part: number): void {
    this.faulty.refusal = part === 0 ? code : undefined;
    this.filling = part === 0 ? undefined : { code, part };
  }

  /** Whatever was refused is taken from now on. */
  free(): void {
    this.faulty.refusal = undefined;
    this.filling = undefined;
  }

  /** What a loss of power leaves of the files that this logger has opened. @param lucky files of which everything is left */
  leave(directory: string, lucky: readonly string[]): void {
    this.faulty.leave(directory, lucky);
  }

  /** Undefined: not any more. */
  dieAt(death: Death | undefined): void {
    this.death = death;
  }

  private beforeCall(name: keyof SpoolFiles, given: unknown[]): void {
    const writes = name === 'writeSync';
    if (this.death && this.death.calls-- <= 0) {
      const { part, die } = this.death;
      this.death = undefined;
      if (writes) writePart(given as Parameters<SpoolFiles['writeSync']>, part);
      die();
    }
    if (!this.filling || !writes) return;
    writePart(given as Parameters<SpoolFiles['writeSync']>, this.filling.part);
    this.faulty.refusal = this.filling.code;
    this.filling = undefined;
  }
}

/** Brings the beginning of a write into the file. */
function writePart([fd, bytes, offset, length, position]: Parameters<SpoolFiles['writeSync']>, part: number): void {
  nodeFiles.writeSync(fd, bytes, offset, Math.floor(length * part), position);
}

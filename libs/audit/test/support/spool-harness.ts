import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Position } from '../../src/core/spool/cursor.js';
import { Spool, type SpoolOptions } from '../../src/core/spool/spool.js';
import { FaultyFiles } from './faulty-files.js';

export interface Drained {
  payloads: string[];
  /** Records that should have been there. */
  lost: number;
  /** Behind everything that was read. */
  end: Position;
}

/** Spools in one directory of their own, one after the other, and what they say. */
export class SpoolHarness {
  readonly files = new FaultyFiles();
  readonly warnings: string[] = [];
  private open_: Spool | undefined;

  private constructor(readonly directory: string) {}

  /** @param parent where the directory is made: the temporary directory, if nothing is said */
  static async create(parent = tmpdir()): Promise<SpoolHarness> {
    return new SpoolHarness(await mkdtemp(join(parent, 'gravitas-spool-')));
  }

  async open(options: Partial<SpoolOptions> = {}): Promise<Spool> {
    await this.open_?.close();
    this.open_ = undefined;
    this.open_ = await Spool.open({
      directory: this.directory,
      service: 'test',
      maxBytes: 1024 ** 3,
      synced: false,
      log: { warn: (_details, message) => void this.warnings.push(message), info: () => undefined },
      files: this.files,
      ...options,
    });
    return this.open_;
  }

  /** The segments' files, oldest first. */
  async segments(): Promise<string[]> {
    const names = await readdir(this.directory);
    return names
      .filter((name) => name.endsWith('.segment'))
      .sort()
      .map((name) => join(this.directory, name));
  }

  /** The files with what was kept aside. */
  async keptAside(): Promise<string[]> {
    const names = await readdir(join(this.directory, 'damaged')).catch(() => []);
    return names.map((name) => join(this.directory, 'damaged', name));
  }

  async dispose(): Promise<void> {
    await this.open_?.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Records that begin with their number, and are filled up to a length. */
export const numbered = (from: number, count: number, bytes = 0): string[] =>
  Array.from({ length: count }, (_, i) => `${from + i}`.padEnd(bytes, '.'));

/** Appends the records, and writes them at once. */
export function store(spool: Spool, payloads: readonly string[]): void {
  for (const payload of payloads) spool.append(payload);
  spool.write();
}

/** Reads everything behind `from`, and acknowledges nothing. */
export async function drain(spool: Spool, from = spool.left.from): Promise<Drained> {
  const drained: Drained = { payloads: [], lost: 0, end: from };
  for (;;) {
    const { records, lost, next, from: began } = await spool.read(drained.end);
    drained.payloads.push(...records.map(({ payload }) => payload));
    drained.lost += lost;
    drained.end = next;
    if (records.length + lost === 0 && next.offset <= began.offset) return drained;
  }
}

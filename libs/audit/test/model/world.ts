import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditEvent } from '#contracts';
import { FaultySink } from '../support/faulty-sink.js';
import { Connection, SinkServer } from './connection.js';
import { Life, type Crash } from './life.js';
import { MortalFiles, type DiskError } from './mortal-files.js';
import { type Setup } from './setup.js';

/** What is real in a run: loggers, one after the other, on real files, and the sink that they all write to. */
export class World {
  readonly store: FaultySink;
  readonly server: SinkServer;
  /** What the loggers have said. */
  readonly said: string[] = [];
  /** Ids that a logger was told to be in the sink. */
  readonly confirmed = new Set<string>();
  life: Life;
  /** Counts records, to tell them apart. */
  records = 0;
  private directory: string;
  private lives = 0;
  /** Names in the directory when the present logger began. */
  private found: readonly string[] = [];
  private refusal: DiskError | undefined;
  /** Loggers that go on after their crash, until the end of the run. */
  private readonly ghosts: Promise<unknown>[] = [];

  private constructor(
    readonly setup: Setup,
    private readonly root: string,
  ) {
    this.store = new FaultySink(setup.concurrency);
    this.store.poison = ({ metadata }) => metadata['poison'] === true;
    this.server = new SinkServer(this.store);
    this.directory = join(root, 'spool-0');
  }

  static async create(setup: Setup): Promise<World> {
    const world = new World(setup, await mkdtemp(join(tmpdir(), 'gravitas-audit-model-')));
    await world.begin();
    return world;
  }

  /** The next logger, on what the last one has left. @throws what opening it throws */
  async begin(): Promise<void> {
    const disk = new MortalFiles();
    if (this.refusal) disk.refuse(this.refusal, 0);
    const index = this.lives++;
    this.found = namesIn(this.directory);
    this.life = await Life.begin({
      setup: this.setup,
      index,
      directory: this.directory,
      connection: new Connection(this.server),
      disk,
      log: {
        warn: (_details, message) => void this.said.push(`${index} warns: ${message}`),
        info: (_details, message) => void this.said.push(`${index} says: ${message}`),
      },
    });
  }

  /**
   * The end of the process, at this instant: the next logger begins with a copy of the files as they are now, and the old one goes on
   * without any effect on what is examined.
   */
  crash({ lands, written }: Crash): void {
    const { life } = this;
    this.noteConfirmed();
    this.directory = join(this.root, `spool-${this.lives}`);
    copyNow(life.directory, this.directory);
    if (written !== 'all') this.losePower(written === 'some');
    life.isOver = true;
    life.connection.cut(lands);
    // It must not be in the way of its own end.
    life.disk.free();
    this.ghosts.push(life.logger.close(0).catch(() => undefined));
  }

  refuseDisk(code: DiskError, part: number): void {
    this.refusal = code;
    this.life.disk.refuse(code, part);
  }

  freeDisk(): void {
    this.refusal = undefined;
    this.life.disk.free();
  }

  noteConfirmed(): void {
    for (const id of this.life.connection.confirmed) this.confirmed.add(id);
  }

  /** Of the files in the copy, what the old logger did not force to the disk goes; some are spared. */
  private losePower(spared: boolean): void {
    const names = namesIn(this.directory);
    for (const name of names) if (!this.found.includes(name)) rmSync(join(this.directory, name), { recursive: true });
    this.life.disk.leave(this.directory, spared ? names.filter((_, i) => i % 2 === 0) : []);
  }

  /** Of all segments, as they are in the directory. */
  spoolBytes(): number {
    const names = namesIn(this.directory).filter((name) => name.endsWith('.segment'));
    return names.reduce((sum, name) => sum + (statIfThere(join(this.directory, name)) ?? 0), 0);
  }

  /** Ids of the dead letters, repetitions included. */
  deadLetters(): string[] {
    const text = readIfThere(join(this.directory, 'dead-letters.ndjson')) ?? '';
    return text.split('\n').flatMap(letterId);
  }

  async dispose(): Promise<void> {
    this.server.become('down');
    await Promise.all([...this.ghosts, this.life.logger.close(0).catch(() => undefined)]);
    await rm(this.root, { recursive: true, force: true });
  }
}

/** Without a pause in which anything could change but for a removal that is under way. The lock is the process's own, and ends with it. */
function copyNow(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) copyNow(join(from, entry.name), join(to, entry.name));
    else if (!entry.name.startsWith('lock'))
      ignoreMissing(() => copyFileSync(join(from, entry.name), join(to, entry.name)));
  }
}

const namesIn = (directory: string): string[] => ignoreMissing(() => readdirSync(directory)) ?? [];
const statIfThere = (path: string): number | undefined => ignoreMissing(() => statSync(path).size);
const readIfThere = (path: string): string | undefined => ignoreMissing(() => readFileSync(path, 'utf8'));

function ignoreMissing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** None when a crash has torn the line. */
function letterId(line: string): string[] {
  try {
    return [(JSON.parse(line) as AuditEvent).id];
  } catch {
    return [];
  }
}

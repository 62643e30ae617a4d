import { AuditLogger, type AuditLog } from '#audit';
import { onceFree } from '../support/once-free.js';
import { type Connection } from './connection.js';
import { type MortalFiles } from './mortal-files.js';
import { type Setup } from './setup.js';

export interface LifeOptions {
  setup: Setup;
  index: number;
  directory: string;
  connection: Connection;
  disk: MortalFiles;
  log: AuditLog;
}

/** How a logger ends without a close. */
export interface Crash {
  /** What is under way to the sink arrives all the same. */
  lands: boolean;
  /**
   * `all`: as SIGKILL, everything that was written is there. Otherwise as a loss of power, which what was forced to the disk survives
   * (`none`), and `some` files by luck.
   */
  written: 'all' | 'some' | 'none';
}

/** One logger from its opening to its close or its crash. */
export class Life {
  /** After a crash the logger goes on in a directory of its own, cut off from the sink, and nobody listens to it any more. */
  isOver = false;
  readonly index: number;
  readonly directory: string;
  readonly connection: Connection;
  readonly disk: MortalFiles;

  private constructor(
    { index, directory, connection, disk }: LifeOptions,
    readonly logger: AuditLogger,
    /** Events that the logger found in the spool. */
    readonly left: number,
  ) {
    this.index = index;
    this.directory = directory;
    this.connection = connection;
    this.disk = disk;
  }

  /** @throws what opening the logger throws */
  static async begin(options: LifeOptions): Promise<Life> {
    const { concurrency: _ofTheSink, ...bounds } = options.setup;
    const logger = await onceFree(() =>
      AuditLogger.open({
        ...bounds,
        service: 'model',
        sink: options.connection,
        spoolDir: options.directory,
        files: options.disk.files,
        log: options.log,
      }),
    );
    return new Life(options, logger, logger.stats().accepted);
  }
}

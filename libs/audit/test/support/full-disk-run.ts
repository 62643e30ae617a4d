import { AuditError, AuditLogger, type AuditLoggerOptions } from '#audit';
import { FaultySink } from './faulty-sink.js';

export type FullDiskOptions = Pick<AuditLoggerOptions, 'durability' | 'maxSpoolBytes'>;

/** What became of one filling of the disk. */
export interface FullDiskFacts {
  /** Why records were refused in the end. */
  code: string;
  /** Turns of three events whose receipts were rejected. */
  rejected: number;
  /** Accepted events that waited for the sink then. */
  waiting: number;
  /** From the sink's coming back until a record was durable again. */
  recoveredMs: number;
  /** Accepted events that are not in the sink now. */
  missing: number;
  /** Whether the sink has them in the order in which they were recorded, each once. */
  inOrder: boolean;
  /** Events that the numbers do not account for, at any of the steps. */
  unaccounted: number;
}

const record = (logger: AuditLogger) =>
  logger.record({
    action: 'execute',
    resource: 'shells/l1/echo',
    result: 'ALLOWED',
    metadata: { text: 'x'.repeat(1500) },
  });

/** The accepted events of one logger after the other, and their sink. */
export class FullDiskRun {
  readonly sink = new FaultySink();
  readonly ids: string[] = [];

  constructor(
    private readonly directory: string,
    private readonly options: FullDiskOptions,
  ) {
    this.sink.down = true;
  }

  open(): Promise<AuditLogger> {
    return AuditLogger.open({
      service: 'test',
      sink: this.sink,
      spoolDir: this.directory,
      async: true,
      maxEvents: 50,
      maxBytes: 1024 * 1024,
      batchSize: 20,
      flushIntervalMs: 5,
      log: { warn: () => undefined, info: () => undefined },
      ...this.options,
    });
  }

  /** About 2 KiB. Resolves when it is durable. */
  record(logger: AuditLogger): Promise<void> {
    const { id, durable } = record(logger);
    this.ids.push(id);
    return durable;
  }

  /** Records until that is refused. */
  async fill(logger: AuditLogger): Promise<{ code: string; rejected: number }> {
    let rejected = 0;
    for (let turn = 0; turn < 10_000; turn++) {
      try {
        await Promise.all([this.record(logger), this.record(logger), this.record(logger)]);
      } catch (error) {
        if (!(error instanceof AuditError)) throw error;
        if (error.code !== 'audit_not_durable') return { code: error.code, rejected };
        rejected++;
      }
    }
    throw new Error('the disk does not get full');
  }

  /** Records one event that becomes durable. @returns the milliseconds that it takes until there is room for that */
  async recover(logger: AuditLogger): Promise<number> {
    const began = performance.now();
    for (;;) {
      if (!(await logger.room(20_000))) throw new Error('there is no room any more');
      const durable = await this.record(logger).then(
        () => true,
        () => false,
      );
      if (durable) return performance.now() - began;
    }
  }

  /** Fills the disk, with the sink down; lets the sink come back, and what else makes room happen. */
  async fillAndRecover(logger: AuditLogger, makeRoom: () => void): Promise<FullDiskFacts> {
    const { code, rejected } = await this.fill(logger);
    const waiting = this.ids.length - logger.stats().persisted;
    const full = unaccounted(logger);
    this.sink.down = false;
    makeRoom();
    const recoveredMs = await this.recover(logger);
    await logger.flush();
    this.sink.down = true;
    return { code, rejected, waiting, recoveredMs, ...this.delivered(), unaccounted: full + unaccounted(logger) };
  }

  delivered(): { missing: number; inOrder: boolean } {
    const found = this.sink.events.map(({ id }) => id);
    return { missing: this.ids.length - found.length, inOrder: found.every((id, i) => id === this.ids[i]) };
  }
}

function unaccounted(logger: AuditLogger): number {
  const { accepted, persisted, queued, spooled, dead_lettered, damaged, dropped } = logger.stats();
  return Math.abs(accepted - persisted - queued - spooled - dead_lettered - damaged) + Math.abs(dropped);
}

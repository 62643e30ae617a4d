import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { AuditLogger, type AuditLoggerOptions } from '#audit';
import { type AuditRecord } from '#contracts';
import { FaultySink } from './faulty-sink.js';
import { onceFree } from './once-free.js';

/** Loggers on one spool directory of their own, one after the other, and what they say. */
export class LoggerHarness {
  readonly warnings: string[] = [];
  readonly infos: string[] = [];
  readonly log = {
    warn: (_details: object, message: string) => void this.warnings.push(message),
    info: (_details: object, message: string) => void this.infos.push(message),
  };
  sink = new FaultySink();
  private readonly loggers: AuditLogger[] = [];

  private constructor(readonly directory: string) {}

  /** @param parent where the directory is made: the temporary directory, if nothing is said */
  static async create(parent = tmpdir()): Promise<LoggerHarness> {
    return new LoggerHarness(await mkdtemp(join(parent, 'gravitas-audit-')));
  }

  async open(options: Partial<AuditLoggerOptions> = {}): Promise<AuditLogger> {
    const attempt = (): Promise<AuditLogger> =>
      AuditLogger.open({
        service: 'test',
        sink: this.sink,
        spoolDir: this.directory,
        durability: 'process',
        async: true,
        maxEvents: 10_000,
        maxBytes: 64 * 1024 * 1024,
        maxSpoolBytes: 1024 ** 3,
        batchSize: 100,
        flushIntervalMs: 5,
        log: this.log,
        ...options,
      });
    const areClosed = this.loggers.every(({ refusing }) => refusing?.endsWith('closed'));
    const logger = await (areClosed ? onceFree(attempt) : attempt());
    this.loggers.push(logger);
    return logger;
  }

  async dispose(): Promise<void> {
    this.sink.hold = undefined;
    await Promise.allSettled(this.loggers.map((logger) => logger.close(0)));
    await rm(this.directory, { recursive: true, force: true });
  }
}

export const record = (overrides: Partial<AuditRecord> = {}): AuditRecord => ({
  action: 'execute',
  resource: 'shells/l1/echo',
  result: 'ALLOWED',
  ...overrides,
});

/** accepted = persisted + queued + spooled + dead-lettered + damaged, and nothing dropped. */
export function expectBalance(logger: AuditLogger): void {
  const { accepted, persisted, queued, spooled, dead_lettered, damaged, dropped } = logger.stats();
  expect(persisted + queued + spooled + dead_lettered + damaged).toBe(accepted);
  expect(dropped).toBe(0);
}

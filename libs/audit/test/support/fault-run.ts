import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { AuditError, type AuditLogger, type AuditLoggerOptions } from '#audit';
import { waitFor } from '#testing';
import { type FaultyCall } from './faulty-files.js';
import { expectBalance, LoggerHarness, record } from './logger-harness.js';
import { memoryDirectory } from './memory-directory.js';
import { PowerLossFiles } from './power-loss-files.js';

export interface Fault {
  call: FaultyCall;
  /** The at-th call of the run, from 1. */
  at: number;
  code: 'EIO' | 'ENOSPC';
}

type Durability = 'process' | 'disk';

/** Memory for a few events, and segments of 16 KiB: most events are spilled, over several segments. */
const SETTINGS = { maxEvents: 6, batchSize: 4, maxSpoolBytes: 64 * 1024 } as const;
const ROUNDS = 4;
const EVENTS_A_ROUND = 7;
/** Far beyond any pause after a fault. */
const PATIENCE_MS = 20_000;

/**
 * A logger's life from its first start to its third, with one file call that fails: it records in several turns while the sink takes
 * nothing, delivers, leaves some events behind, takes them up again. After each step everything must be where it was promised to be.
 */
export class FaultRun {
  private readonly files = new PowerLossFiles();
  /** In the order of `record`. */
  private readonly accepted: string[] = [];
  private readonly acknowledged = new Set<string>();
  private poisoned: string | undefined;

  private constructor(
    private readonly harness: LoggerHarness,
    private readonly durability: Durability,
  ) {}

  /**
   * @returns whether the fault happened
   * @throws Error naming the fault, when something was promised and not kept
   */
  static async of(fault: Fault, durability: Durability): Promise<boolean> {
    const run = new FaultRun(await LoggerHarness.create(await memoryDirectory()), durability);
    run.files.failAt(fault.call, fault.at, fault.code);
    try {
      await run.live();
      return run.files.happened;
    } catch (error) {
      const what = `${fault.code} from ${fault.call} number ${fault.at}, durability ${durability}`;
      throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
    } finally {
      await run.harness.dispose();
    }
  }

  private async live(): Promise<void> {
    const { sink } = this.harness;
    sink.poison = ({ resource }) => resource === 'poison';
    const [beginning, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    sink.hold = beginning.promise;

    const first = await this.open();
    for (let round = 0; round < ROUNDS; round++) await this.recordTurns(first, EVENTS_A_ROUND);
    this.expectAllSurvive();
    await this.checkSurvivors();
    // One batch goes, and no more.
    sink.hold = rest.promise;
    beginning.resolve();
    await waitFor('the first batch', () => first.stats().persisted > 0);
    await this.checkSurvivors();
    rest.resolve();
    await inTime('flush', first.flush());
    expectBalance(first);
    this.expectDelivered();
    await first.close();
    expectBalance(first);

    const second = await this.open();
    sink.down = true;
    await this.recordTurns(second, 3);
    await second.close(0);
    expectBalance(second);
    sink.down = false;

    const third = await this.open();
    await this.recordTurns(third, 1);
    await inTime('flush', third.flush());
    await third.close();
    expectBalance(third);

    const last = await this.harness.open({ ...SETTINGS, durability: this.durability });
    await inTime('flush', last.flush());
    expectBalance(last);
    expect(last.stats().damaged).toBe(0);
    await last.close();
    this.expectDelivered();
  }

  /** The fault may make the first attempt fail; it is the only one. */
  private async open(): Promise<AuditLogger> {
    const options: Partial<AuditLoggerOptions> = { ...SETTINGS, durability: this.durability, files: this.files };
    const before = this.files.happened;
    return this.harness.open(options).catch((error: unknown) => {
      if (before || !this.files.happened) throw error;
      return this.harness.open(options);
    });
  }

  /** In two turns of the event loop: the first may still be under way to the disk. Resolves when all is durable, or known not to be. */
  private async recordTurns(logger: AuditLogger, count: number): Promise<void> {
    const durables: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      if (i === count >> 1) await new Promise(setImmediate);
      const resource = this.accepted.length === 9 ? 'poison' : `r/${this.accepted.length}`;
      const text = 'x'.repeat(((this.accepted.length * 331) % 1500) + 1);
      const { id, durable } = await recordPatiently(logger, resource, text);
      this.accepted.push(id);
      if (resource === 'poison') this.poisoned = id;
      durables.push(durable.then(() => void this.acknowledged.add(id)));
    }
    const refused = (await Promise.allSettled(durables)).filter(({ status }) => status === 'rejected');
    for (const { reason } of refused as PromiseRejectedResult[])
      expect(reason).toMatchObject({ code: 'audit_not_durable' });
    expectBalance(logger);
  }

  /** A fault that happens once costs at most the receipts of the two turns that it can hit. */
  private expectAllSurvive(): void {
    const missing = this.accepted.length - this.acknowledged.size;
    expect(missing).toBeLessThanOrEqual(this.files.happened ? EVENTS_A_ROUND : 0);
  }

  /** What was acknowledged so far is in the sink, or would be there if everything ended here: by SIGKILL, or by a loss of power. */
  private async checkSurvivors(): Promise<void> {
    const { directory } = this.harness;
    for (const lucky of this.durability === 'disk' ? [[], ['cursor']] : [[]]) {
      const survivors = await LoggerHarness.create(directory);
      if (this.durability === 'disk') this.files.leave(survivors.directory, lucky);
      else copyFiles(directory, survivors.directory);
      const logger = await survivors.open(SETTINGS);
      await inTime('replay', logger.flush());
      const found = survivors.sink.events.map(({ id }) => id);
      expect(found).toEqual(this.accepted.filter((id) => found.includes(id)));
      // And everything before it: a receipt that was rejected is kept, and is there as soon as a later one is.
      const newest = this.accepted.findLastIndex((id) => this.acknowledged.has(id));
      const known = new Set([...found, ...this.harness.sink.events.map(({ id }) => id)]);
      expect(this.accepted.slice(0, newest + 1).filter((id) => !known.has(id))).toEqual([]);
      await survivors.dispose();
    }
  }

  /** Everything accepted is in the sink, once, in order; but for the poison, which is a dead letter. */
  private expectDelivered(): void {
    const delivered = this.harness.sink.events.map(({ id }) => id);
    expect(delivered).toEqual(this.accepted.filter((id) => id !== this.poisoned));
    const letters = readFileSync(join(this.harness.directory, 'dead-letters.ndjson'), 'utf8').split('\n');
    const ids = letters.filter((line) => line.endsWith('}')).map((line) => (JSON.parse(line) as { id: string }).id);
    expect(new Set(ids)).toEqual(new Set([this.poisoned]));
  }
}

/** Waits while the logger refuses because of the fault. */
async function recordPatiently(logger: AuditLogger, resource: string, text: string) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return logger.record(record({ resource, metadata: { text } }));
    } catch (error) {
      if (!(error instanceof AuditError) || error.code !== 'audit_disk_refused') throw error;
      const { refused } = logger.stats();
      expect(refused).toBeGreaterThan(0);
      expect(await logger.room(deadline - Date.now())).toBe(true);
    }
  }
}

async function inTime<T>(what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} takes longer than ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** As they are at this instant; but for the lock, which closing a copied descriptor would free. */
function copyFiles(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from))
    if (name !== 'lock' && statSync(join(from, name)).isFile()) copyFileSync(join(from, name), join(to, name));
}

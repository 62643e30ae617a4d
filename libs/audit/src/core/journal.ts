import { type AuditLog } from './audit-log.js';
import { type AuditMeter } from './audit-meter.js';
import { crash } from './crash.js';
import { AuditError } from './errors.js';
import { type Spool } from './spool/spool.js';

/** How long a disk that refuses is left alone before it is asked again. */
const RETRY_MS = 500;
/** A turn of the event loop that records more than this is written in parts. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

interface Turn {
  durable: Promise<void>;
  resolve: () => void;
  reject: (reason: AuditError) => void;
}

/**
 * When what was recorded becomes durable: all of an event loop's turn at its end, with one write (`process`), and in mode `disk` with an
 * fdatasync that all turns share that ended while the last one was under way.
 *
 * Trade: one write a turn instead of one a record costs a caller the rest of the turn before its answer may leave. A write that fails
 * rejects the receipts of its turn, keeps the bytes, refuses new records, and is tried again until the disk takes it.
 */
export class Journal {
  private turn: Turn | undefined;
  private refusal: NodeJS.ErrnoException | undefined;
  private retry: NodeJS.Timeout | undefined;
  /** Turns that wait for the next fdatasync. */
  private unsynced: Turn[] = [];
  private syncing: Promise<void> | undefined;
  private closed = false;
  /** How long the last fdatasync took, in milliseconds. */
  lastSyncMs = 0;

  constructor(
    private readonly spool: Spool,
    private readonly durability: 'process' | 'disk',
    private readonly log: AuditLog,
    private readonly meter: AuditMeter | undefined,
  ) {}

  /** Why records are refused; null while they are taken. */
  get refusing(): string | null {
    return this.refusal ? `${this.refusal.code ?? 'error'}: ${this.refusal.message}` : null;
  }

  /** @throws AuditError `audit_disk_refused` while the disk does not take what it was given */
  assertWritable(): void {
    if (this.refusal)
      throw new AuditError('audit_disk_refused', `the audit spool cannot be written: ${this.refusal.message}`, {
        cause: this.refusal,
      });
  }

  /** Takes a record. @returns resolves when it is durable; rejects with AuditError `audit_not_durable` when the disk refuses it for now */
  append(payload: string): Promise<void> {
    this.spool.append(payload);
    this.turn ??= this.beginTurn();
    if (this.spool.bufferedBytes >= MAX_BUFFERED_BYTES) this.write();
    return this.turn.durable;
  }

  /** Writes what there is, at once, and forces it to the disk, in either mode; and stops trying. What the disk refuses stays buffered. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retry);
    this.endTurn();
    // A disk that refused a moment ago may take it now.
    this.write();
    await this.syncing;
    if (this.write()) await this.sync();
  }

  private beginTurn(): Turn {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Who does not ask whether a record is durable is not told by an unhandled rejection either.
    promise.catch(() => undefined);
    setImmediate(() => this.endTurn());
    return { durable: promise, resolve, reject };
  }

  private endTurn(): void {
    const { turn } = this;
    if (!turn) return;
    this.turn = undefined;
    if (!this.write()) this.rejectAll([turn]);
    else if (this.durability === 'process') turn.resolve();
    else {
      this.unsynced.push(turn);
      this.syncing ??= this.syncAll().finally(() => (this.syncing = undefined));
    }
  }

  private async syncAll(): Promise<void> {
    while (this.unsynced.length > 0) {
      const turns = this.unsynced;
      this.unsynced = [];
      if (await this.sync()) for (const turn of turns) turn.resolve();
      else this.rejectAll(turns);
    }
  }

  /** @returns false when the disk refused; what is buffered stays so */
  private write(): boolean {
    try {
      this.spool.write();
      return true;
    } catch (error) {
      this.refuse(error as NodeJS.ErrnoException);
      return false;
    }
  }

  private async sync(): Promise<boolean> {
    try {
      const began = performance.now();
      await this.spool.sync();
      this.lastSyncMs = performance.now() - began;
      this.meter?.fsync(this.lastSyncMs / 1000);
      return true;
    } catch (error) {
      this.refuse(error as NodeJS.ErrnoException);
      return false;
    }
  }

  private refuse(error: NodeJS.ErrnoException): void {
    if (!this.refusal)
      this.log.warn({ err: error }, 'audit: the spool cannot be written; no records are taken until it can');
    this.refusal = error;
    if (this.closed) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      this.tryAgain().catch(crash);
    }, RETRY_MS);
  }

  private async tryAgain(): Promise<void> {
    if (!this.write() || (this.durability === 'disk' && !(await this.sync()))) return;
    this.refusal = undefined;
    this.log.info({}, 'audit: the spool can be written again');
  }

  private rejectAll(turns: readonly Turn[]): void {
    const reason = new AuditError(
      'audit_not_durable',
      `not durable yet: ${this.refusal?.message ?? 'the disk refused'}`,
      {
        cause: this.refusal,
      },
    );
    for (const turn of turns) turn.reject(reason);
  }
}

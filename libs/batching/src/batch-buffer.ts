import { setTimeout as sleep } from 'node:timers/promises';
import { settleWithin } from './settle-within.js';

/**
 * A bounded write-behind buffer for what may be lost when the process is killed, but not otherwise: telemetry, usage,
 * routing decisions. (The audit trail has its own, stricter one.)
 *
 *   capacity   `capacity` items, waiting and in flight
 *   batch      at most `maxBatch` items, in the order in which they came; one write at a time
 *   interval   a write begins at most `intervalMs` after the first waiting item, or at once when a batch is full
 *   when full  `offer` says false and takes nothing; the caller decides
 *   failure    the batch is tried again, with a growing pause up to `maxPauseMs`, until it succeeds or the buffer is closed;
 *              a batch that `isPermanent` says can never succeed is given up and reported to `onLost`
 *   on close   nothing more is taken; what waits is written until the deadline; the rest is reported to `onLost`,
 *              a batch whose write never ended among it
 *   a crash    loses what waits and what is in flight
 */
export interface BatchBufferOptions<T> {
  write: (batch: readonly T[]) => Promise<unknown>;
  capacity: number;
  maxBatch: number;
  intervalMs: number;
  maxPauseMs?: number;
  isPermanent?: (error: unknown) => boolean;
  /** Told once when writing starts to fail, and of nothing more until it works again. */
  onFailing?: (error: unknown) => void;
  onRecovered?: () => void;
  onLost?: (items: readonly T[], reason: unknown) => void;
}

const FIRST_PAUSE_MS = 100;
/** How long an aborted writer gets to put its batch back. */
const LAST_WORD_MS = 20;

export class BatchBuffer<T> {
  private waiting: T[] = [];
  private inFlight: readonly T[] = [];
  /** Items ever accepted, and of those the ones that are written or given up. */
  private accepted = 0;
  private settled = 0;
  private flushes: { upTo: number; resolve: () => void }[] = [];
  private timer: NodeJS.Timeout | undefined;
  private writer: Promise<void> | undefined;
  private readonly stop = new AbortController();
  private closed = false;

  constructor(private readonly options: BatchBufferOptions<T>) {}

  /** Items accepted and not yet written. */
  get size(): number {
    return this.waiting.length + this.inFlight.length;
  }

  get capacity(): number {
    return this.options.capacity;
  }

  /** Takes an item, unless the buffer is full or closed. */
  offer(item: T): boolean {
    return this.offerAll([item]);
  }

  /** Takes all of them or none. */
  offerAll(items: readonly T[]): boolean {
    if (this.closed || this.size + items.length > this.options.capacity) return false;
    for (const item of items) this.waiting.push(item);
    this.accepted += items.length;
    if (this.waiting.length >= this.options.maxBatch) this.start();
    else this.timer ??= setTimeout(() => this.start(), this.options.intervalMs);
    return true;
  }

  /** Resolves when everything accepted so far is written (or given up as permanent, or the buffer is closed). */
  async flush(): Promise<void> {
    const upTo = this.accepted;
    if (this.settled >= upTo || this.stop.signal.aborted) return;
    this.start();
    await new Promise<void>((resolve) => this.flushes.push({ upTo, resolve }));
  }

  /** Takes no more, writes what waits for at most `deadlineMs`. Twice is the same as once. */
  async close(deadlineMs = 5000): Promise<void> {
    this.closed = true;
    await settleWithin(this.flush(), deadlineMs);
    clearTimeout(this.timer);
    this.stop.abort(new Error('the buffer was closed before it could write'));
    if (this.writer) await settleWithin(this.writer, LAST_WORD_MS);
    const lost = [...this.inFlight, ...this.waiting.splice(0)];
    this.inFlight = [];
    for (const { resolve } of this.flushes.splice(0)) resolve();
    if (lost.length > 0) this.options.onLost?.(lost, this.stop.signal.reason);
  }

  private start(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writer ??= this.writeAll().finally(() => {
      this.writer = undefined;
      // What came while the writer was ending found it still there and started neither another nor a timer.
      if (this.waiting.length > 0 && !this.timer && !this.stop.signal.aborted) this.start();
    });
  }

  private async writeAll(): Promise<void> {
    while (this.waiting.length > 0 && !this.stop.signal.aborted) {
      const batch = this.waiting.splice(0, this.options.maxBatch);
      this.inFlight = batch;
      if (await this.writeOne(batch)) this.settle(batch.length);
      // Unless close() has already reported it as lost.
      else if (this.inFlight === batch) this.waiting = batch.concat(this.waiting);
      this.inFlight = [];
    }
  }

  private settle(count: number): void {
    this.settled += count;
    while (this.flushes[0] && this.flushes[0].upTo <= this.settled) this.flushes.shift()!.resolve();
  }

  /** @returns false when the buffer was closed before the batch could be written */
  private async writeOne(batch: readonly T[]): Promise<boolean> {
    for (let pause = FIRST_PAUSE_MS, failing = false; ; pause = Math.min(pause * 2, this.options.maxPauseMs ?? 5000)) {
      try {
        await this.options.write(batch);
        if (failing) this.options.onRecovered?.();
        return true;
      } catch (error) {
        if (this.options.isPermanent?.(error)) {
          this.options.onLost?.(batch, error);
          return true;
        }
        if (!failing) this.options.onFailing?.(error);
        failing = true;
      }
      try {
        await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal: this.stop.signal });
      } catch {
        return false;
      }
    }
  }
}

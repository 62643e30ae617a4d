import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditEvent } from '#contracts';
import { type AuditLog } from './audit-log.js';
import { type AuditMeter } from './audit-meter.js';
import { SinkRejectedError } from './errors.js';
import { type AuditSink } from './sink.js';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
/** Services that start together find each other within these; only what lasts longer is worth a warning. */
const QUIET_ATTEMPTS = 4;

export interface Delivered {
  persisted: number;
  deadLettered: number;
}

/** Where events go that can never be written. */
export interface DeadLetterFile {
  /** Resolves when it is on the disk. @throws what the file system throws */
  add(event: AuditEvent, reason: string): Promise<void>;
}

/** Hands batches to the sink, trying again for as long as it takes, and sets aside what the sink can never take. */
export class Delivery {
  retries = 0;
  /** Of the last batch that the sink took: events, and milliseconds that it needed. */
  last = { events: 0, ms: 0 };
  private failing = false;

  /** @param stop ends the trying; what is in hand then counts as not delivered */
  constructor(
    private readonly sink: AuditSink,
    private readonly deadLetters: DeadLetterFile,
    private readonly log: AuditLog,
    private readonly meter: AuditMeter | undefined,
    private readonly stop: AbortSignal,
  ) {}

  /** @returns undefined when it was stopped first; the sink may have part of the batch then, and will know it by its ids */
  async deliver(batch: readonly AuditEvent[]): Promise<Delivered | undefined> {
    for (let attempt = 1; ; attempt++) {
      // The other half of a batch, perhaps.
      if (this.stop.aborted) return undefined;
      try {
        const began = performance.now();
        await this.sink.write(batch);
        // Too late: close() has counted this batch as left in the spool. The next start writes it again.
        if (this.stop.aborted) return undefined;
        this.took(batch.length, performance.now() - began);
        return { persisted: batch.length, deadLettered: 0 };
      } catch (error) {
        if (error instanceof SinkRejectedError) return this.isolate(batch, error);
        this.retries++;
        if (attempt === QUIET_ATTEMPTS && !this.failing) {
          this.failing = true;
          this.log.warn({ err: error }, 'audit: the sink does not take events; trying again until it does');
        }
      }
      if (!(await this.pause(attempt))) return undefined;
    }
  }

  private took(events: number, ms: number): void {
    this.last = { events, ms };
    this.meter?.batch(events, ms / 1000);
    if (!this.failing) return;
    this.failing = false;
    this.log.info({ events }, 'audit: the sink takes events again');
  }

  /** Halves a batch that can never be written until the event at fault stands alone; that one becomes a dead letter. */
  private async isolate(batch: readonly AuditEvent[], reason: SinkRejectedError): Promise<Delivered | undefined> {
    if (batch.length === 1) return this.setAside(batch[0]!, reason.message);
    const middle = batch.length >> 1;
    const first = await this.deliver(batch.slice(0, middle));
    const second = first && (await this.deliver(batch.slice(middle)));
    if (!first || !second) return undefined;
    return {
      persisted: first.persisted + second.persisted,
      deadLettered: first.deadLettered + second.deadLettered,
    };
  }

  /** Until the spool takes it: a dead letter that cannot be kept must not be forgotten either. */
  private async setAside(event: AuditEvent, reason: string): Promise<Delivered | undefined> {
    for (let attempt = 1; ; attempt++) {
      if (this.stop.aborted) return undefined;
      try {
        await this.deadLetters.add(event, reason);
        // Too late, as above. The next start keeps the letter again.
        if (this.stop.aborted) return undefined;
        this.log.warn({ id: event.id, reason }, 'audit: an event can never be written; it is a dead letter');
        return { persisted: 0, deadLettered: 1 };
      } catch (error) {
        if (attempt === 1) this.log.warn({ err: error }, 'audit: a dead letter cannot be kept; trying again');
      }
      if (!(await this.pause(attempt))) return undefined;
    }
  }

  /** @returns false when it was stopped */
  private pause(attempt: number): Promise<boolean> {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), MAX_PAUSE_MS);
    return sleep(pause * (0.5 + Math.random() / 2), true, { signal: this.stop }).catch(() => false);
  }
}

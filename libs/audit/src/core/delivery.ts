import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditEvent } from '#contracts';
import { type AuditLog } from './audit-log.js';
import { SinkRejectedError } from './errors.js';
import { type AuditSink } from './sink.js';
import { type Spool } from './spool.js';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
/** Services that start together find each other within these; only what lasts longer is worth a warning. */
const QUIET_ATTEMPTS = 4;

export interface Delivered {
  persisted: number;
  deadLettered: number;
}

/** Hands batches to the sink, trying again for as long as it takes, and sets aside what the sink can never take. */
export class Delivery {
  retries = 0;

  /** @param stop ends the trying; what is in hand then counts as not delivered */
  constructor(
    private readonly sink: AuditSink,
    private readonly spool: Spool,
    private readonly log: AuditLog,
    private readonly stop: AbortSignal,
  ) {}

  /** @returns undefined when it was stopped first; the sink may have part of the batch then, and will know it by its ids */
  async deliver(batch: readonly AuditEvent[]): Promise<Delivered | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.sink.write(batch);
        // Too late: close() has spooled this batch meanwhile. The next start writes it again.
        if (this.stop.aborted) return undefined;
        if (attempt > QUIET_ATTEMPTS) this.log.info({ attempt }, 'audit: the sink takes events again');
        return { persisted: batch.length, deadLettered: 0 };
      } catch (error) {
        if (error instanceof SinkRejectedError) return this.isolate(batch, error);
        this.retries++;
        if (attempt === QUIET_ATTEMPTS)
          this.log.warn({ err: error }, 'audit: the sink does not take events; trying again until it does');
      }
      if (!(await this.pause(attempt))) return undefined;
    }
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
      try {
        await this.spool.setAside(event, reason);
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

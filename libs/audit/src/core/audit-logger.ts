import { randomUUIDv7 } from 'node:crypto';
import { settleWithin } from '#batching';
import { auditRecord, type AuditEvent, type AuditRecord, type AuditStats } from '#contracts';
import { type AuditLog } from './audit-log.js';
import { Delivery, type Delivered } from './delivery.js';
import { AuditError } from './errors.js';
import { EventClock } from './event-clock.js';
import { EventQueue } from './event-queue.js';
import { type AuditSink } from './sink.js';
import { type Spool } from './spool.js';

export interface AuditLoggerOptions {
  /** Stamped on each event. */
  service: string;
  sink: AuditSink;
  /** Where events wait that cannot be handed over before the logger closes, and where those go that never can be. */
  spool: Spool;
  /** false: a receipt is durable only once the sink has the event. */
  async: boolean;
  maxEvents: number;
  maxBytes: number;
  batchSize: number;
  flushIntervalMs: number;
  log: AuditLog;
  clock?: EventClock;
}

/** `sequence` counts this logger's events from 1. `durable` resolves when the configured durability is reached. */
export interface AuditReceipt {
  id: string;
  timestamp: string;
  sequence: number;
  durable: Promise<void>;
}

type State = 'open' | 'draining' | 'closed';

/** An event's own fields, as JSON, beside the texts that it carries. */
const FIXED_BYTES = 400;
/** For how long a closing sink may wait for a write that hangs. */
const SINK_CLOSE_MS = 500;
const ALREADY = Promise.resolve();

/**
 * The write-behind audit logger. README.md has its contract.
 *
 * Trade: `record` costs microseconds and never waits for the sink; in return events wait in a bounded queue until the sink has
 * them, and a full queue refuses instead of dropping.
 */
export class AuditLogger {
  private state: State = 'open';
  private readonly queue: EventQueue;
  /** What an earlier process left, still to be written before anything of this one. */
  private recovered: AuditEvent[] = [];
  private readonly clock: EventClock;
  private readonly delivery: Delivery;
  private sequence = 0;
  private timer: NodeJS.Timeout | undefined;
  private writer: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private waiters: { sequence: number; resolve: () => void }[] = [];
  private readonly hurry = new AbortController();
  private readonly counts = { accepted: 0, persisted: 0, spooled: 0, deadLettered: 0, refused: 0 };

  constructor(private readonly options: AuditLoggerOptions) {
    this.queue = new EventQueue(options.maxEvents, options.maxBytes);
    this.clock = options.clock ?? new EventClock();
    this.delivery = new Delivery(options.sink, options.spool, options.log, this.hurry.signal);
  }

  /** Takes back what an earlier process had to leave in the spool. Call it once, before the first `record`. */
  async open(): Promise<void> {
    const events = await this.options.spool.recover();
    if (events.length === 0) return;
    this.options.log.info(
      { events: events.length },
      'audit: taking up the events that an earlier run left in the spool',
    );
    this.counts.accepted += events.length;
    this.counts.spooled += events.length;
    this.recovered = events;
    this.start();
  }

  /**
   * Takes an event: validates it, stamps id and time, enqueues it. Never waits.
   *
   * @throws AuditError `audit_invalid` (the record is not well formed), `audit_queue_full`, `audit_closed`; nothing is enqueued then
   */
  record(record: AuditRecord): AuditReceipt {
    if (this.state !== 'open') throw new AuditError('audit_closed', `the audit logger is ${this.state}`);
    const parsed = auditRecord.safeParse(record);
    if (!parsed.success) {
      const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      throw new AuditError('audit_invalid', `not an audit record: ${problems.join('; ')}`, { cause: parsed.error });
    }
    const timestamp = this.clock.next();
    const event: AuditEvent = { id: randomUUIDv7(), timestamp, service: this.options.service, ...parsed.data };
    if (!this.queue.push(event, sizeOf(event))) {
      this.counts.refused++;
      throw new AuditError('audit_queue_full', 'the audit queue is full: the sink does not keep up or does not answer');
    }
    this.counts.accepted++;
    const sequence = ++this.sequence;
    this.schedule();
    return { id: event.id, timestamp, sequence, durable: this.options.async ? ALREADY : this.persisted(sequence) };
  }

  /** Resolves when everything accepted so far is in the trail (or set aside as a dead letter). The logger stays open. */
  async flush(): Promise<void> {
    const upTo = this.sequence;
    while (this.recovered.length > 0 || (this.queue.length > 0 && this.handedOver < upTo)) {
      if (this.hurry.signal.aborted) return;
      this.start();
      await this.writer;
    }
  }

  /**
   * Takes no more, flushes, frees the sink. What the sink has not taken after `deadlineMs` goes to the spool.
   * Twice is the same as once.
   */
  close(deadlineMs = 10_000): Promise<void> {
    this.closing ??= this.drain(deadlineMs);
    return this.closing;
  }

  stats(): AuditStats {
    const { accepted, persisted, spooled, deadLettered, refused } = this.counts;
    return {
      accepted,
      persisted,
      queued: this.queue.length,
      spooled,
      dropped: accepted - persisted - spooled - deadLettered - this.queue.length,
      dead_lettered: deadLettered,
      refused,
      retries: this.delivery.retries,
    };
  }

  private async drain(deadlineMs: number): Promise<void> {
    this.become('draining');
    const deadline = setTimeout(() => this.hurry.abort(), deadlineMs);
    const late = new Promise<void>((resolve) => this.hurry.signal.addEventListener('abort', () => resolve()));
    try {
      // A write that hangs must not hold the process: what it has in hand counts as not written, and goes to the spool too.
      await Promise.race([this.flush(), late]);
      await this.spoolTheRest();
    } finally {
      clearTimeout(deadline);
      clearTimeout(this.timer);
      this.hurry.abort();
      await settleWithin(this.options.sink.close(), SINK_CLOSE_MS);
      this.become('closed');
    }
  }

  private async spoolTheRest(): Promise<void> {
    const rest = [...this.recovered, ...this.queue.peek(this.queue.length)];
    if (rest.length === 0) return;
    try {
      await this.options.spool.leave(rest);
    } catch (error) {
      this.options.log.warn(
        { err: error, events: rest.length },
        'audit: neither the sink nor the spool takes events; they are lost',
      );
      throw error;
    }
    this.counts.spooled += this.queue.length;
    this.queue.drop(this.queue.length);
    this.recovered = [];
    this.options.log.warn(
      { events: rest.length },
      'audit: closed before the sink took everything; the rest waits in the spool',
    );
  }

  private become(state: State): void {
    const allowed = state === 'draining' ? this.state === 'open' : this.state === 'draining';
    if (!allowed) throw new Error(`the audit logger cannot go from ${this.state} to ${state}`);
    this.state = state;
  }

  private schedule(): void {
    const enough = Math.min(this.options.batchSize, this.options.maxEvents);
    if (!this.options.async || this.queue.length >= enough) this.start();
    else this.timer ??= setTimeout(() => this.start(), this.options.flushIntervalMs);
  }

  private start(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writer ??= this.writeAll().finally(() => {
      this.writer = undefined;
      if (this.queue.length > 0 && this.state === 'open') this.schedule();
    });
  }

  private get handedOver(): number {
    return this.sequence - this.queue.length;
  }

  private async writeAll(): Promise<void> {
    while (this.recovered.length > 0 && !this.hurry.signal.aborted) {
      const batch = this.recovered.slice(0, this.options.batchSize);
      const delivered = await this.delivery.deliver(batch);
      if (!delivered) return;
      this.recovered = this.recovered.slice(batch.length);
      this.counts.spooled -= batch.length;
      this.settle(delivered);
      if (this.recovered.length === 0) await this.forget();
    }
    while (this.queue.length > 0 && !this.hurry.signal.aborted) {
      const batch = this.queue.peek(this.options.batchSize);
      const delivered = await this.delivery.deliver(batch);
      if (!delivered) return;
      this.queue.drop(batch.length);
      this.settle(delivered);
    }
  }

  /** A file that stays is read again at the next start; the sink knows its events then. */
  private async forget(): Promise<void> {
    await this.options.spool
      .forget()
      .catch((error: unknown) => this.options.log.warn({ err: error }, 'audit: the spool cannot be cleared'));
  }

  private settle({ persisted, deadLettered }: Delivered): void {
    this.counts.persisted += persisted;
    this.counts.deadLettered += deadLettered;
    const handedOver = this.handedOver;
    while (this.waiters[0] && this.waiters[0].sequence <= handedOver) this.waiters.shift()!.resolve();
  }

  private persisted(sequence: number): Promise<void> {
    return new Promise((resolve) => this.waiters.push({ sequence, resolve }));
  }
}

/** An estimate, in bytes, that is cheap and never far below what the event takes in memory. */
function sizeOf(event: AuditEvent): number {
  let bytes = FIXED_BYTES + event.resource.length + event.reason.length;
  for (const key in event.metadata) bytes += key.length + sizeOfValue(event.metadata[key]);
  return bytes + event.entities.length * 64;
}

function sizeOfValue(value: unknown): number {
  if (typeof value === 'string') return value.length * 2;
  return typeof value === 'object' && value !== null ? JSON.stringify(value).length : 8;
}

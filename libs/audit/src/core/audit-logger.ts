import { randomUUIDv7 } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { settleWithin } from '#batching';
import { type AuditEvent, type AuditRecord, type AuditStats } from '#contracts';
import { type AuditLog } from './audit-log.js';
import { type AuditMeter } from './audit-meter.js';
import { Backlog, EVENT_OVERHEAD_BYTES } from './backlog.js';
import { DeadLetters } from './dead-letters.js';
import { Delivery, type Delivered } from './delivery.js';
import { AuditError } from './errors.js';
import { EventClock } from './event-clock.js';
import { EventIds } from './event-ids.js';
import { EventQueue } from './event-queue.js';
import { Journal } from './journal.js';
import { Milestones } from './milestones.js';
import { Pipeline } from './pipeline.js';
import { checkRecord } from './record-check.js';
import { type AuditSink } from './sink.js';
import { type Position } from './spool/cursor.js';
import { nodeFiles, type SpoolFiles } from './spool/spool-files.js';
import { Spool } from './spool/spool.js';

export interface AuditLoggerOptions {
  /** Stamped on each event. */
  service: string;
  sink: AuditSink;
  /** Of this logger alone. */
  spoolDir: string;
  /** What `durable` means: in a file (survives the end of this process), on the disk (survives the loss of power), or neither. */
  durability: 'process' | 'disk' | 'memory';
  /** false: `durable` means that the sink has the event. */
  async: boolean;
  /** Of the events in memory. */
  maxEvents: number;
  maxBytes: number;
  /** Of the spool. */
  maxSpoolBytes: number;
  batchSize: number;
  flushIntervalMs: number;
  log: AuditLog;
  meter?: AuditMeter | undefined;
  clock?: EventClock | undefined;
  files?: SpoolFiles | undefined;
}

/** `sequence` counts this logger's events from 1. `durable` resolves when the configured durability is reached. */
export interface AuditReceipt {
  id: string;
  timestamp: string;
  sequence: number;
  durable: Promise<void>;
}

type State = 'open' | 'draining' | 'closed';

/** How long a sink or a disk that hangs may hold the close beyond its deadline. */
const GRACE_MS = 500;
/** How much of a spool that was full must be free before it takes records again. */
const ROOM_SHARE = 1 / 32;
/** Between two looks for room. */
const ROOM_POLL_MS = 5;
const ALREADY = Promise.resolve();

/**
 * The write-behind audit logger. README.md has its contract.
 *
 * Trade: `record` costs microseconds and never waits for the sink. In return an event is in a file of this host before the caller's
 * answer may leave, and in the sink some milliseconds later; and when neither memory nor the spool has room, `record` refuses.
 */
export class AuditLogger {
  private state: State = 'open';
  private readonly producer = randomUUIDv7();
  private sequence = 0;
  private readonly ids = new EventIds();
  private readonly clock: EventClock;
  private readonly queue: EventQueue;
  private readonly backlog: Backlog;
  private readonly journal: Journal;
  private readonly delivery: Delivery;
  private readonly pipeline: Pipeline;
  private readonly settled = new Milestones();
  private readonly hurry = new AbortController();
  private readonly counts = { accepted: 0, persisted: 0, deadLettered: 0, refused: 0, left: 0 };
  private flushes = 0;
  private flushing: { upTo: number; done: Promise<void> } | undefined;
  /** The size of the event for which there was no room; 0 while there is. */
  private noRoomFor = 0;
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly options: AuditLoggerOptions,
    private readonly spool: Spool,
    deadLetters: DeadLetters,
  ) {
    const { log, sink, meter, durability } = options;
    const stop = this.hurry.signal;
    this.clock = options.clock ?? new EventClock();
    this.queue = new EventQueue(options.maxEvents, options.maxBytes);
    this.backlog = new Backlog({ queue: this.queue, spool, log, stop, onRead: () => this.tookUp() });
    this.journal = new Journal(spool, durability === 'disk' ? 'disk' : 'process', log, meter);
    this.delivery = new Delivery(sink, deadLetters, log, meter, stop);
    this.pipeline = new Pipeline(this.queue, this.delivery, {
      concurrency: sink.concurrency ?? 1,
      batchSize: options.batchSize,
      flushIntervalMs: options.flushIntervalMs,
      onSettled: (delivered, end) => this.settle(delivered, end),
    });
    this.pipeline.hurried = !options.async;
    this.counts.accepted = this.backlog.length;
    if (this.backlog.length > 0)
      log.info({ events: this.backlog.length }, 'audit: taking up the events that an earlier run left in the spool');
    this.backlog.refill();
  }

  /**
   * Takes the spool directory, and takes up what an earlier run left in it.
   *
   * @throws SpoolHeldError when another process has the directory, SegmentVersionError when a newer release wrote it, and what the file
   * system throws
   */
  static async open(options: AuditLoggerOptions): Promise<AuditLogger> {
    const { spoolDir, service, maxSpoolBytes, durability, log, files = nodeFiles } = options;
    const spool = await Spool.open({
      directory: spoolDir,
      service,
      maxBytes: maxSpoolBytes,
      synced: durability === 'disk',
      log,
      files,
    });
    return new AuditLogger(options, spool, new DeadLetters(spoolDir, files));
  }

  /**
   * Takes an event: validates it, stamps id, time and sequence, enqueues it. Never waits.
   *
   * @throws AuditError `audit_invalid` (the record is not well formed), `audit_queue_full`, `audit_disk_refused`, `audit_closed`; nothing is
   * enqueued then, and no sequence number is spent
   */
  record(record: AuditRecord): AuditReceipt {
    if (this.state !== 'open') throw new AuditError('audit_closed', `the audit logger is ${this.state}`);
    const checked = checkRecord(record);
    const id = this.ids.next();
    const timestamp = this.clock.next();
    const sequence = this.sequence + 1;
    const event: AuditEvent = {
      id,
      tenant_id: checked.tenant_id,
      timestamp,
      service: this.options.service,
      ghost_id: checked.ghost_id,
      shell_id: checked.shell_id,
      action: checked.action,
      resource: checked.resource,
      result: checked.result,
      reason: checked.reason,
      request_id: checked.request_id,
      session_id: checked.session_id,
      entities: checked.entities,
      metadata: checked.metadata,
      producer: this.producer,
      sequence,
    };
    const durable = this.take(event);
    this.sequence = sequence;
    const accepted = ++this.counts.accepted;
    this.pipeline.schedule();
    return { id, timestamp, sequence, durable: this.options.async ? durable : this.persisted(accepted) };
  }

  /**
   * Resolves when everything accepted so far is in the sink (or set aside as a dead letter). The logger stays open. Who calls it again
   * with nothing accepted meanwhile waits for the same.
   *
   * @throws AuditError `audit_not_durable` when the logger closes first
   */
  flush(): Promise<void> {
    const { accepted } = this.counts;
    if (this.flushing?.upTo !== accepted) this.flushing = { upTo: accepted, done: this.flushUpTo(accepted) };
    return this.flushing.done;
  }

  private async flushUpTo(accepted: number): Promise<void> {
    this.flushes++;
    this.pipeline.hurried = true;
    this.pipeline.send();
    try {
      await this.settled.when(accepted);
    } finally {
      this.flushes--;
      this.pipeline.hurried = this.flushes > 0 || !this.options.async;
    }
  }

  /**
   * Waits for room, for a producer that would rather be slow than refused (`record`), or than go through the disk (`memory`).
   *
   * @returns whether there is any, after at most `timeoutMs`
   */
  async room(timeoutMs: number, where: 'record' | 'memory' = 'record'): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    const isThere = where === 'memory' ? () => this.hasMemory() : () => this.refusing === null;
    while (!isThere()) {
      if (performance.now() >= deadline || this.state !== 'open') return false;
      await sleep(ROOM_POLL_MS);
    }
    return true;
  }

  /** Why records are refused at the moment; null while they are taken. */
  get refusing(): string | null {
    if (this.state !== 'open') return `the audit logger is ${this.state}`;
    return this.journal.refusing ?? (this.noRoomFor > 0 && !this.fits(this.noRoomFor) ? this.fullText : null);
  }

  /**
   * Takes no more, flushes, frees the sink and the spool. What the sink has not taken after `deadlineMs` is in the spool for the next
   * start. Twice is the same as once.
   *
   * @throws AuditError `audit_not_durable` when neither the sink nor the spool has taken everything
   */
  close(deadlineMs = 10_000): Promise<void> {
    this.closing ??= this.drain(deadlineMs);
    return this.closing;
  }

  /** For `await using`: closes at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  stats(): AuditStats {
    const { accepted, persisted, deadLettered, refused, left } = this.counts;
    const queued = this.queue.length;
    const { length: backlog, damaged } = this.backlog;
    const first = this.queue.first;
    return {
      accepted,
      persisted,
      queued,
      spooled: backlog + left,
      dropped: accepted - persisted - queued - backlog - left - deadLettered - damaged,
      dead_lettered: deadLettered,
      damaged,
      refused,
      retries: this.delivery.retries,
      batch_size: this.delivery.last.events,
      lag_ms: first ? Math.max(0, Date.now() - Date.parse(first.timestamp)) : 0,
      flush_ms: this.delivery.last.ms,
      fsync_ms: this.journal.lastSyncMs,
    };
  }

  /** @returns when the event has the configured durability (short of write-through) */
  private take(event: AuditEvent): Promise<void> {
    const payload = JSON.stringify(event);
    const bytes = payload.length + EVENT_OVERHEAD_BYTES;
    const { journal, backlog, queue } = this;
    if (journal.refusing !== null || !this.fits(bytes)) this.refuse(bytes);
    if (this.noRoomFor > 0) this.foundRoom();
    if (this.options.durability === 'memory') {
      queue.push(event, bytes, null);
      return ALREADY;
    }
    const durable = journal.append(payload);
    const end = this.spool.end;
    // Behind the backlog, when there is one: its events are older.
    if (backlog.length === 0 && queue.push(event, bytes, end)) backlog.pass(end);
    else {
      backlog.add();
      backlog.refill();
    }
    return durable;
  }

  private fits(bytes: number): boolean {
    const { durability, maxSpoolBytes } = this.options;
    if (durability === 'memory') return this.queue.hasRoom(bytes);
    // Once full, it takes records again when there is room for many: one at a time it would be full, and say so, again and again.
    return this.spool.hasRoom(bytes + (this.noRoomFor > 0 ? maxSpoolBytes * ROOM_SHARE : 0));
  }

  private hasMemory(): boolean {
    return this.backlog.length === 0 && this.queue.hasRoom(0);
  }

  private get fullText(): string {
    if (this.spool.waitsForDisk)
      return 'the audit spool is full of what its disk has yet to sync: the disk does not keep up';
    const what = this.options.durability === 'memory' ? 'queue' : 'spool';
    return `the audit ${what} is full: the sink does not keep up or does not answer`;
  }

  /** @throws AuditError */
  private refuse(bytes: number): never {
    this.counts.refused++;
    this.journal.assertWritable();
    if (this.noRoomFor === 0) this.options.log.warn(this.stats(), `audit: ${this.fullText}; no records are taken`);
    this.noRoomFor = bytes;
    throw new AuditError('audit_queue_full', this.fullText);
  }

  private foundRoom(): void {
    this.noRoomFor = 0;
    this.options.log.info({}, 'audit: there is room for records again');
  }

  private tookUp(): void {
    this.reach(null);
    this.pipeline.schedule();
  }

  private settle({ persisted, deadLettered }: Delivered, end: Position | null): void {
    this.counts.persisted += persisted;
    this.counts.deadLettered += deadLettered;
    this.reach(end);
    this.backlog.refill();
  }

  /** Notes how far the sink is: to the end of everything read so far when nothing is left in memory. */
  private reach(end: Position | null): void {
    const position = this.queue.length === 0 ? this.backlog.reached : end;
    if (position) void this.spool.acknowledge(position);
    const { persisted, deadLettered } = this.counts;
    this.settled.reach(persisted + deadLettered + this.backlog.damaged);
  }

  private persisted(accepted: number): Promise<void> {
    const durable = this.settled.when(accepted);
    durable.catch(() => undefined);
    return durable;
  }

  private become(state: State): void {
    const allowed = state === 'draining' ? this.state === 'open' : this.state === 'draining';
    if (!allowed) throw new Error(`the audit logger cannot go from ${this.state} to ${state}`);
    this.state = state;
  }

  private async drain(deadlineMs: number): Promise<void> {
    this.become('draining');
    try {
      await settleWithin(this.flush(), deadlineMs);
      await this.leaveTheRest();
    } finally {
      this.hurry.abort();
      this.pipeline.stop();
      this.settled.giveUp(new AuditError('audit_not_durable', 'the audit logger was closed before the sink had it'));
      await settleWithin(this.options.sink.close(), GRACE_MS);
      await settleWithin(this.backlog.settled(), GRACE_MS);
      await settleWithin(this.spool.close(), GRACE_MS);
      this.become('closed');
    }
  }

  /** What the sink has not taken stays in the spool, or goes there now if it was only in memory. */
  private async leaveTheRest(): Promise<void> {
    // What is under way counts as not written: whether the sink has it after all shows when the next start hands it over again.
    this.hurry.abort();
    this.pipeline.stop();
    for (const event of this.queue.unspooled()) this.spool.append(JSON.stringify(event));
    await settleWithin(this.journal.close(), GRACE_MS);
    const rest = this.queue.length;
    const lost = Math.min(rest + this.backlog.length, this.spool.bufferedRecords);
    this.queue.drop(rest);
    this.counts.left = rest - lost;
    const { spooled } = this.stats();
    if (spooled > 0)
      this.options.log.warn(
        { events: spooled },
        'audit: closed before the sink took everything; the rest waits in the spool',
      );
    if (lost === 0) return;
    this.options.log.warn({ events: lost }, 'audit: neither the sink nor the spool took these events; they are lost');
    throw new AuditError('audit_not_durable', `${lost} audit events are neither in the sink nor in the spool`);
  }
}

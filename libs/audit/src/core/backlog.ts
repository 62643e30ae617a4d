import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditEvent } from '#contracts';
import { type AuditLog } from './audit-log.js';
import { type EventQueue } from './event-queue.js';
import { type Position } from './spool/cursor.js';
import { type Spool } from './spool/spool.js';

/** Between two looks at a spool that cannot be read, or whose newest records are still to be written. */
const PAUSE_MS = 10;
const PAUSE_AFTER_ERROR_MS = 500;
/** In memory an event takes more than its text. */
export const EVENT_OVERHEAD_BYTES = 400;

export interface BacklogOptions {
  queue: EventQueue;
  spool: Spool;
  log: AuditLog;
  /** Ends the reading. */
  stop: AbortSignal;
  /** Told after events were read into the queue. */
  onRead: () => void;
}

/**
 * The events that are only in the spool: those that an earlier run left, and those for which memory had no room. They are read back, in
 * order, when the queue is half empty.
 */
export class Backlog {
  /** Records that are only in the spool. Damaged ones count until the reading comes to them. */
  length: number;
  /** Records that turned out to be damaged. */
  damaged = 0;
  /** Behind the last event that is, or was, in the queue. */
  private position: Position;
  private reading: Promise<void> | undefined;

  constructor(private readonly options: BacklogOptions) {
    const { records, from } = options.spool.left;
    this.length = records;
    this.position = from;
  }

  /** The event at this place is in the queue. Only while the backlog is empty. */
  pass(end: Position): void {
    this.position = end;
  }

  /** An event is in the spool, and not in the queue. */
  add(): void {
    this.length++;
  }

  /** Up to where everything is, or was, in the queue. */
  get reached(): Position {
    return this.position;
  }

  /** Starts reading when there is something to read and room for it. */
  refill(): void {
    const { queue, stop } = this.options;
    if (this.reading || this.length === 0 || !queue.isHalfEmpty || stop.aborted) return;
    this.reading = this.read().finally(() => {
      this.reading = undefined;
      this.refill();
    });
  }

  /** Resolves when no read is under way. */
  async settled(): Promise<void> {
    await this.reading;
  }

  private async read(): Promise<void> {
    const { queue, stop, log } = this.options;
    let failed = false;
    while (this.length > 0 && queue.isHalfEmpty && !stop.aborted) {
      let pause = 0;
      try {
        if (!(await this.readStretch())) pause = PAUSE_MS;
        failed = false;
      } catch (error) {
        if (!failed) log.warn({ err: error }, 'audit: the spool cannot be read; trying again until it can');
        failed = true;
        pause = PAUSE_AFTER_ERROR_MS;
      }
      if (pause > 0) await sleep(pause, undefined, { signal: stop }).catch(() => undefined);
    }
  }

  /** @returns false when there was nothing to read */
  private async readStretch(): Promise<boolean> {
    const { queue, spool, stop, onRead } = this.options;
    const { from, records, next } = await spool.read(this.position);
    if (stop.aborted) return true;
    let read = 0;
    let passed = 0;
    let reached = from;
    for (const record of records) {
      const event = eventOf(record.payload);
      if (event === undefined) {
        // At the beginning of a stretch only: while the disk is asked, nothing may be read and not yet counted.
        if (passed > 0) break;
        await spool.reject(record);
        if (stop.aborted) return true;
      } else if (queue.push(event, record.bytes + EVENT_OVERHEAD_BYTES, record.next)) read++;
      else break;
      reached = record.next;
      passed++;
    }
    if (passed === records.length) reached = next;
    const lost = reached.index - from.index - read;
    this.length -= read + lost;
    this.damaged += lost;
    this.position = reached;
    if (read + lost > 0) onRead();
    return read + lost > 0;
  }
}

/** @returns undefined when it is no event: nothing that this program writes */
function eventOf(payload: string): AuditEvent | undefined {
  try {
    const event = JSON.parse(payload) as Partial<AuditEvent> | null;
    return typeof event?.id === 'string' ? (event as AuditEvent) : undefined;
  } catch {
    return undefined;
  }
}

import { type AuditEvent } from '#contracts';
import { type Position } from './spool/cursor.js';

interface Entry {
  event: AuditEvent;
  bytes: number;
  end: Position | null;
}

/** What stands behind one another in the queue, and the place in the spool behind the last of it; null when that is not in the spool. */
export interface Batch {
  events: AuditEvent[];
  end: Position | null;
}

/**
 * The events in memory: first in, first out, bounded in events and in bytes. They stay in the queue until they are known to be in the
 * sink.
 */
export class EventQueue {
  /** Those before `head` are gone: nothing of them is held any longer, or the collector would take them for old. */
  private entries: (Entry | undefined)[] = [];
  private head = 0;
  private totalBytes = 0;

  constructor(
    private readonly maxEvents: number,
    private readonly maxBytes: number,
  ) {}

  get length(): number {
    return this.entries.length - this.head;
  }

  get first(): AuditEvent | undefined {
    return this.entries[this.head]?.event;
  }

  /** Whether it is emptied so far that filling it again is worth reading from the disk. */
  get isHalfEmpty(): boolean {
    return this.length * 2 <= this.maxEvents && this.totalBytes * 2 <= this.maxBytes;
  }

  /** Whether an event of this size fits. An empty queue takes any. */
  hasRoom(bytes: number): boolean {
    return this.length === 0 || (this.length < this.maxEvents && this.totalBytes + bytes <= this.maxBytes);
  }

  /** @returns false, and takes nothing, when a bound would be passed */
  push(event: AuditEvent, bytes: number, end: Position | null): boolean {
    if (!this.hasRoom(bytes)) return false;
    this.entries.push({ event, bytes, end });
    this.totalBytes += bytes;
    return true;
  }

  /** Events from the `skip`th on, at most `count` and about `maxBytes` of them, which stay queued. */
  peek(skip: number, count: number, maxBytes = Infinity): Batch {
    const events: AuditEvent[] = [];
    const from = this.head + skip;
    const to = Math.min(from + count, this.entries.length);
    let bytes = 0;
    let i = from;
    for (; i < to && bytes < maxBytes; i++) {
      events.push(this.entries[i]!.event);
      bytes += this.entries[i]!.bytes;
    }
    return { events, end: i > from ? this.entries[i - 1]!.end : null };
  }

  /** Those that are in no file. */
  unspooled(): AuditEvent[] {
    return this.entries.slice(this.head).flatMap((entry) => (entry?.end === null ? [entry.event] : []));
  }

  /** Takes the oldest `count` events away. */
  drop(count: number): void {
    const to = Math.min(this.head + count, this.entries.length);
    for (; this.head < to; this.head++) {
      this.totalBytes -= this.entries[this.head]!.bytes;
      this.entries[this.head] = undefined;
    }
    // Copy only now and then, so that dropping costs constant time on average.
    if (this.head === this.entries.length || (this.head > 1024 && this.head * 2 > this.entries.length)) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
  }
}

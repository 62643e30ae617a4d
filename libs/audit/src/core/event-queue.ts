import { type AuditEvent } from '#contracts';

interface Entry {
  event: AuditEvent;
  bytes: number;
}

/**
 * First in, first out, bounded in events and in bytes. Events stay in the queue until they are known to be durable, so that its
 * length is what would be lost.
 */
export class EventQueue {
  private entries: Entry[] = [];
  private head = 0;
  private totalBytes = 0;

  constructor(
    private readonly maxEvents: number,
    private readonly maxBytes: number,
  ) {}

  get length(): number {
    return this.entries.length - this.head;
  }

  get bytes(): number {
    return this.totalBytes;
  }

  /** @returns false, and takes nothing, when a bound would be passed */
  push(event: AuditEvent, bytes: number): boolean {
    if (this.length >= this.maxEvents || this.totalBytes + bytes > this.maxBytes) return false;
    this.entries.push({ event, bytes });
    this.totalBytes += bytes;
    return true;
  }

  /** The oldest events, at most `count`, which stay queued. */
  peek(count: number): AuditEvent[] {
    return this.entries.slice(this.head, this.head + count).map((entry) => entry.event);
  }

  /** Takes the oldest `count` events away. */
  drop(count: number): void {
    for (let i = 0; i < count; i++) this.totalBytes -= this.entries[this.head + i]?.bytes ?? 0;
    this.head = Math.min(this.head + count, this.entries.length);
    // Copy only now and then, so that dropping costs constant time on average.
    if (this.head > 1024 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
  }
}

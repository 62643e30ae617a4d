import { SinkRejectedError, type AuditSink, type SinkResult } from '#audit';
import { type AuditEvent } from '#contracts';

/** A sink in memory, idempotent by id like the real ones, that can be made to fail, to hold, and to find events unacceptable. */
export class FaultySink implements AuditSink {
  readonly events: AuditEvent[] = [];
  /** In the order in which they arrived, repetitions included. */
  readonly writes: (readonly AuditEvent[])[] = [];
  down = false;
  closed = 0;
  poison: (event: AuditEvent) => boolean = () => false;
  hold: Promise<void> | undefined;
  private readonly ids = new Set<string>();

  constructor(readonly concurrency = 1) {}

  async write(events: readonly AuditEvent[]): Promise<SinkResult> {
    this.writes.push(events);
    await this.hold;
    if (this.down) throw new Error('the sink is down');
    if (events.some(this.poison)) throw new SinkRejectedError('poison');
    const fresh = events.filter(({ id }) => !this.ids.has(id));
    for (const event of fresh) {
      this.ids.add(event.id);
      this.events.push(event);
    }
    return { accepted: fresh.length, duplicates: events.length - fresh.length };
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

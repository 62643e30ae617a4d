import { type AuditEvent } from '#contracts';
import { crash } from './crash.js';
import { type Delivered, type Delivery } from './delivery.js';
import { type EventQueue } from './event-queue.js';
import { type Position } from './spool/cursor.js';

/** Of one batch, as events are counted in the queue. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;

interface Flight {
  count: number;
  end: Position | null;
  delivered?: Delivered | undefined;
}

export interface PipelineOptions {
  /** Batches that the sink takes at a time. */
  concurrency: number;
  batchSize: number;
  flushIntervalMs: number;
  /** Told of each batch that is settled, in the order of the events; `end` is its place in the spool. */
  onSettled: (delivered: Delivered, end: Position | null) => void;
}

/**
 * Takes batches from the head of the queue to the sink. They set off in order, and are settled and leave the queue in order, also where
 * a later one arrives first.
 *
 * A batch sets off when it is full, when its first event has waited for the interval, or at once while somebody is in a hurry. A
 * further one sets off beside it only when it is full: small batches would make the sink slower, not faster.
 */
export class Pipeline {
  /** Send what there is, without waiting for more. */
  hurried = false;
  private readonly flights: Flight[] = [];
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  /** Events at the head of the queue that are on their way. */
  private taken = 0;

  constructor(
    private readonly queue: EventQueue,
    private readonly delivery: Delivery,
    private readonly options: PipelineOptions,
  ) {}

  /** Call it after the queue has grown. */
  schedule(): void {
    const waiting = this.queue.length - this.taken;
    if (waiting === 0 || this.stopped) return;
    if (this.hurried || waiting >= this.options.batchSize) this.send();
    else
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.send();
      }, this.options.flushIntervalMs);
  }

  /** Sends what there is, as far as the sink takes it now. */
  send(): void {
    const { concurrency, batchSize } = this.options;
    while (!this.stopped && this.flights.length < concurrency) {
      const waiting = this.queue.length - this.taken;
      if (waiting === 0 || (this.flights.length > 0 && waiting < batchSize && !this.hurried)) return;
      const { events, end } = this.queue.peek(this.taken, batchSize, MAX_BATCH_BYTES);
      this.taken += events.length;
      this.flights.push({ count: events.length, end });
      this.fly(this.flights[this.flights.length - 1]!, events).catch(crash);
    }
  }

  /** Sends nothing any more, and settles nothing: what is under way counts as not delivered. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async fly(flight: Flight, events: readonly AuditEvent[]): Promise<void> {
    flight.delivered = await this.delivery.deliver(events);
    while (!this.stopped && this.flights[0]?.delivered) {
      const { count, end, delivered } = this.flights.shift()!;
      this.queue.drop(count);
      this.taken -= count;
      this.options.onSettled(delivered!, end);
    }
    if (flight.delivered) this.schedule();
  }
}

import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { BatchBuffer, settleWithin } from '#batching';
import { isPermanentError } from '#database';
import { ServiceError } from '#errors';
import { HealthDetails } from '#health';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { TelemetryWriter } from '../batch/telemetry-writer.js';
import { CONFIG, type TelemetryConfig } from '../config.js';
import { type EventRow } from './event-row.js';

/** How long a read waits for what was accepted before it, so that who wrote can read. */
const SETTLE_MS = 1000;

/**
 * Single events on their way to the database. BatchBuffer says what is kept and what a crash loses; a full buffer refuses, and
 * while the database is down what was accepted waits.
 */
@Injectable()
export class EventBuffer implements OnApplicationShutdown {
  private readonly buffer: BatchBuffer<EventRow>;
  private lost = 0;

  constructor(
    @Inject(CONFIG) private readonly config: TelemetryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly writer: TelemetryWriter,
    metrics: Metrics,
    health: HealthDetails,
  ) {
    const written = metrics.counter('telemetry_events_written_total', 'Buffered events written to the database');
    const lost = metrics.counter('telemetry_events_lost_total', 'Events accepted and never written');
    this.buffer = new BatchBuffer({
      ...config.buffer,
      write: async (batch) => written.inc(await writer.writeEvents(batch)),
      isPermanent: isPermanentError,
      onFailing: (error) => logger.warn({ err: error }, 'events cannot be written; trying again until they can'),
      onRecovered: () => logger.info('events are written again'),
      onLost: (events, reason) => {
        this.lost += events.length;
        lost.inc(events.length);
        this.logger.error({ err: reason, events: events.length }, 'events are lost');
      },
    });
    metrics.gauge('telemetry_buffer_size', 'Events accepted and not yet written', () => this.buffer.size);
    metrics.gauge('telemetry_buffer_capacity', 'Events that the buffer can hold', () => this.buffer.capacity);
    health.add('buffer', () => ({
      healthy: true,
      size: this.buffer.size,
      capacity: this.buffer.capacity,
      lost: this.lost,
    }));
  }

  /** @throws ServiceError unavailable (`telemetry_overloaded`) when the buffer is full; the event is not taken then */
  add(event: EventRow): void {
    if (this.buffer.offer(event)) return;
    throw new ServiceError('unavailable', 'telemetry_overloaded', 'The event buffer is full; send the event again', {
      retryAfter: 1,
    });
  }

  /** Waits a bounded time until what was accepted so far is written. */
  settle(): Promise<void> {
    return settleWithin(this.buffer.flush(), SETTLE_MS);
  }

  /** HTTP is down: nothing more comes. The buffer first, then the connections that it writes with. */
  async onApplicationShutdown(): Promise<void> {
    await this.buffer.close(this.config.service.shutdown.buffersMs);
    await this.writer.close();
  }
}

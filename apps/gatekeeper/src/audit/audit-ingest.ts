import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PostgresSink, SinkRejectedError } from '#audit';
import { type AuditEvent, type IngestResponse } from '#contracts';
import { ServiceError } from '#errors';

/** Takes other services' batches straight into the trail; they keep what is not answered with a success, and send it again. */
@Injectable()
export class AuditIngest implements OnApplicationShutdown {
  constructor(private readonly sink: PostgresSink) {}

  /** @throws ServiceError invalid when an event can never be stored, unavailable (`audit_unavailable`) otherwise */
  async take(events: readonly AuditEvent[]): Promise<IngestResponse> {
    try {
      return await this.sink.write(events);
    } catch (error) {
      if (error instanceof SinkRejectedError)
        throw new ServiceError('invalid', 'event_rejected', 'events: one has a value that the trail cannot hold', {
          cause: error,
        });
      throw new ServiceError('unavailable', 'audit_unavailable', 'The audit trail takes no events at the moment', {
        cause: error,
        retryAfter: 1,
      });
    }
  }

  onApplicationShutdown(): Promise<void> {
    return this.sink.close();
  }
}

import { type AuditEvent } from '#contracts';

export interface SinkResult {
  /** Events that are new in the trail. */
  accepted: number;
  /** Events whose id was there already. */
  duplicates: number;
}

/**
 * Where events go. The logger writes one batch at a time, in order.
 * `write` resolves when the whole batch is durable, and must be idempotent by event id: after an unknown outcome the same batch comes again.
 */
export interface AuditSink {
  /**
   * @throws SinkRejectedError when this batch can never be written
   * @throws anything else when trying again may help
   */
  write(events: readonly AuditEvent[]): Promise<SinkResult>;
  /** Frees connections. Called once, after the last write. */
  close(): Promise<void>;
}

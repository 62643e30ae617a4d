import { type AuditEvent } from '#contracts';

export interface SinkResult {
  /** Events that are new in the trail. */
  accepted: number;
  /** Events whose id was there already. */
  duplicates: number;
}

/**
 * Where events go. The logger hands batches over in order, at most `concurrency` at a time.
 * `write` resolves when the whole batch is durable, and must be idempotent by event id: after an unknown outcome the same batch comes again.
 */
export interface AuditSink {
  /** Batches that it takes at a time; 1 when absent. Beyond 1 a later batch may be written before an earlier one. */
  readonly concurrency?: number;
  /**
   * @throws SinkRejectedError when this batch can never be written
   * @throws anything else when trying again may help
   */
  write(events: readonly AuditEvent[]): Promise<SinkResult>;
  /** Frees connections. Called once, after the last write. */
  close(): Promise<void>;
}

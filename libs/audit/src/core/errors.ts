/**
 * Closed set of reasons for which the logger does not take a record: it is not well formed; a bound is reached; the spool's disk refuses
 * it; the logger is closed. `audit_not_durable`: it was taken, but is not durable, or not in time.
 */
export type AuditErrorCode =
  'audit_invalid' | 'audit_queue_full' | 'audit_disk_refused' | 'audit_closed' | 'audit_not_durable';

/** The record was refused, and nothing was enqueued; or (`audit_not_durable`) it was taken all the same. */
export class AuditError extends Error {
  constructor(
    readonly code: AuditErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'AuditError';
  }
}

/** What a sink throws when trying the same events again can never help, such as a time that no partition holds. */
export class SinkRejectedError extends Error {
  readonly code = 'sink_rejected';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SinkRejectedError';
  }
}

/** Closed set of reasons for which the logger does not take a record. */
export type AuditErrorCode = 'audit_invalid' | 'audit_queue_full' | 'audit_closed' | 'audit_not_durable';

/** The record was refused, and nothing was enqueued; or (`audit_not_durable`) it was taken, but is not durable in time. */
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

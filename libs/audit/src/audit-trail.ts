import { type AuditRecord } from '#contracts';
import { ServiceError } from '#errors';
import { AuditError, type AuditLogger, type AuditReceipt } from './core/index.js';
import { type FailModes } from './fail-modes.js';

/** Only when writing through, or when the disk stalls, can it take any time to speak of. */
const DURABLE_TIMEOUT_MS = 5000;

export interface AuditTrailOptions {
  failModes: FailModes;
  /** How long a record may wait for room before it is refused; 0: not at all. */
  fullWaitMs: number;
  /** How long a record that was taken may need to become durable. */
  durableTimeoutMs?: number;
}

/**
 * The audit logger as the services use it: waits for the configured durability, and turns a refusal into an answer.
 * Fails closed: what cannot be audited does not happen, unless the fail mode of its action is `open`.
 */
export class AuditTrail {
  private count = 0;
  /** Of the last record, and mostly of the next: all that are recorded in one turn of the event loop become durable together. */
  private wait: { for: Promise<void>; atMost: Promise<void> } | undefined;

  constructor(
    private readonly logger: AuditLogger,
    private readonly options: AuditTrailOptions,
  ) {}

  /** Records that the trail did not take, and that went on without: the fail mode of their action is `open`. */
  get unrecorded(): number {
    return this.count;
  }

  /**
   * Resolves when the record is durable. In fail mode `open`, where a record was taken but does not become durable in time, it resolves
   * with the id all the same: the event is in the logger's hands, and is likely to be in the trail later.
   *
   * @returns the event's id; null when it was not taken and the fail mode is `open`: no event of that id will ever be in the trail
   * @throws ServiceError unavailable, code `audit_unavailable`, when it was not taken or is not durable, and the fail mode is `closed`
   * @throws AuditError `audit_invalid` when it is not well formed, in either mode
   */
  async record(record: AuditRecord): Promise<string | null> {
    let receipt: AuditReceipt | undefined;
    try {
      receipt = await this.take(record);
      await this.durable(receipt);
      return receipt.id;
    } catch (error) {
      if (!(error instanceof AuditError) || error.code === 'audit_invalid') throw error;
      if (this.options.failModes.of(record.action) === 'closed') throw unavailable(error);
      if (!receipt) this.count++;
      return receipt?.id ?? null;
    }
  }

  /** @throws AuditError when it is refused, also after waiting for room */
  private async take(record: AuditRecord): Promise<AuditReceipt> {
    const { fullWaitMs } = this.options;
    try {
      return this.logger.record(record);
    } catch (error) {
      const full = error instanceof AuditError && error.code === 'audit_queue_full';
      if (!full || fullWaitMs === 0 || !(await this.logger.room(fullWaitMs))) throw error;
      return this.logger.record(record);
    }
  }

  /** @throws AuditError `audit_not_durable`; the event stays accepted */
  private durable({ durable }: AuditReceipt): Promise<void> {
    if (this.wait?.for !== durable)
      this.wait = { for: durable, atMost: within(durable, this.options.durableTimeoutMs ?? DURABLE_TIMEOUT_MS) };
    return this.wait.atMost;
  }
}

function unavailable(cause: AuditError): ServiceError {
  const detail = 'The audit trail takes no events at the moment';
  return new ServiceError('unavailable', 'audit_unavailable', detail, { cause, retryAfter: 1 });
}

function within(durable: Promise<void>, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new AuditError('audit_not_durable', `not durable after ${timeoutMs} ms`)),
      timeoutMs,
    );
    const settle = (tell: () => void): void => {
      clearTimeout(timer);
      tell();
    };
    durable.then(
      () => settle(resolve),
      (error: Error) => settle(() => reject(error)),
    );
  });
}

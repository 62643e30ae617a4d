import { type AuditRecord } from '#contracts';
import { ServiceError } from '#errors';
import { AuditError, type AuditLogger, type AuditReceipt } from './core/index.js';

/** Only when writing through can it take any time at all. */
const DURABLE_TIMEOUT_MS = 5000;

/**
 * The audit logger as the services use it: waits for the configured durability, and turns a refusal into an answer.
 * Fails closed: what cannot be audited does not happen, unless the fail mode is `open`.
 */
export class AuditTrail {
  constructor(
    private readonly logger: AuditLogger,
    private readonly failMode: 'closed' | 'open',
    private readonly durableTimeoutMs = DURABLE_TIMEOUT_MS,
  ) {}

  /**
   * @returns the event's id; null when it could not be recorded and the fail mode is `open`
   * @throws ServiceError unavailable, code `audit_unavailable`, when it could not be recorded and the fail mode is `closed`
   */
  async record(record: AuditRecord): Promise<string | null> {
    try {
      const receipt = this.logger.record(record);
      await durableWithin(receipt, this.durableTimeoutMs);
      return receipt.id;
    } catch (error) {
      if (!(error instanceof AuditError) || error.code === 'audit_invalid') throw error;
      if (this.failMode === 'open') return null;
      throw new ServiceError('unavailable', 'audit_unavailable', 'The audit trail takes no events at the moment', {
        cause: error,
        retryAfter: 1,
      });
    }
  }
}

/** @throws AuditError `audit_not_durable`; the event stays accepted, and is written when the sink answers again */
async function durableWithin({ durable, id }: AuditReceipt, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new AuditError('audit_not_durable', `event ${id} is not durable after ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  await Promise.race([durable, late]).finally(() => clearTimeout(timer));
}

import { type AuditRecord } from '#contracts';
import { ServiceError } from '#errors';
import { AuditError, type AuditLogger } from './core/index.js';

/**
 * The audit logger as the services use it: waits for the configured durability, and turns a refusal into an answer.
 * Fails closed: what cannot be audited does not happen, unless the fail mode is `open`.
 */
export class AuditTrail {
  constructor(
    private readonly logger: AuditLogger,
    private readonly failMode: 'closed' | 'open',
  ) {}

  /**
   * @returns the event's id; null when it could not be recorded and the fail mode is `open`
   * @throws ServiceError unavailable, code `audit_unavailable`, when it could not be recorded and the fail mode is `closed`
   */
  async record(record: AuditRecord): Promise<string | null> {
    try {
      const receipt = this.logger.record(record);
      await receipt.durable;
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

import { Injectable } from '@nestjs/common';
import { AuditTrail } from '#audit';
import { storableText } from '#database';
import { errorMessage, type ServiceError } from '#errors';

const MAX_CAUSE = 500;

/** Records who could not say who they are. The trail learns what is wrong with the token; the caller does not. */
@Injectable()
export class AuthenticationFailures {
  constructor(private readonly trail: AuditTrail) {}

  /** @throws ServiceError unavailable (`audit_unavailable`) */
  async record(error: ServiceError, action: string, resource: string, requestId: string): Promise<void> {
    const cause = error.cause === undefined ? '' : ` (${storableText(errorMessage(error.cause, 0), MAX_CAUSE)})`;
    await this.trail.record({
      action,
      resource,
      result: 'UNAUTHENTICATED',
      reason: `${error.detail}${cause}`,
      request_id: requestId,
    });
  }
}

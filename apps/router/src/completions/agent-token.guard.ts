import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { AuditTrail } from '#audit';
import { ServiceError } from '#errors';
import { bearerToken, type ServiceRequest } from '#http';

/**
 * Turns away, before the body is looked at, who brings no token. The gatekeeper never hears of them, so it is recorded here;
 * whether a token is good is for the gatekeeper to say.
 */
@Injectable()
export class AgentTokenGuard implements CanActivate {
  constructor(private readonly trail: AuditTrail) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<ServiceRequest>();
    try {
      bearerToken(request.headers.authorization);
      return true;
    } catch (error) {
      if (error instanceof ServiceError)
        await this.trail.record({
          action: 'inference',
          resource: 'shells',
          result: 'UNAUTHENTICATED',
          reason: error.detail,
          request_id: request.requestId,
        });
      throw error;
    }
  }
}

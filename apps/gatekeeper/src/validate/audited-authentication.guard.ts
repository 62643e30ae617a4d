import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { validateRequest } from '#contracts';
import { ServiceError } from '#errors';
import { bearerToken, type ServiceRequest } from '#http';
import { AuthenticationFailures } from '../tokens/authentication-failures.js';
import { TokenVerifier } from '../tokens/token-verifier.js';

/** Authenticates the caller of /validate before its body is looked at, and records those who fail. */
@Injectable()
export class AuditedAuthenticationGuard implements CanActivate {
  constructor(
    private readonly tokens: TokenVerifier,
    private readonly failures: AuthenticationFailures,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<ServiceRequest>();
    try {
      request.principal = await this.tokens.verify(bearerToken(request.headers.authorization));
      return true;
    } catch (error) {
      if (error instanceof ServiceError && error.kind === 'unauthenticated') await this.recordFailure(request, error);
      throw error;
    }
  }

  /** What was asked goes into the record only as far as it is well formed: nothing about this caller is known to be true. */
  private async recordFailure(request: ServiceRequest, error: ServiceError): Promise<void> {
    const asked = validateRequest.pick({ action: true, resource: true }).safeParse(request.body);
    const { action, resource } = asked.success ? asked.data : { action: 'unknown', resource: 'unknown' };
    await this.failures.record(error, action, resource, request.requestId);
  }
}

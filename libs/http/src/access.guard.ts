import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ServiceError } from '#errors';
import { ACCESS_RULE, AccessControl, AUTHENTICATED, type AccessRule } from './access.js';
import { bearerToken } from './bearer.js';
import { type Principal, type ServiceRequest } from './request.js';
import { ServiceTokens } from './service-token.js';

export abstract class AccessSettings {
  /** Development only: a call without a token counts as a service's. */
  abstract serviceAuthDisabled: boolean;
}

/** Holds every route to its access rule; a route without one wants a valid token. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly access: AccessControl,
    private readonly serviceTokens: ServiceTokens,
    private readonly settings: AccessSettings,
  ) {}

  /** At once where there is nothing to wait for. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const rule =
      this.reflector.getAllAndOverride<AccessRule | undefined>(ACCESS_RULE, [
        context.getHandler(),
        context.getClass(),
      ]) ?? AUTHENTICATED;
    if (rule.kind === 'public' || rule.kind === 'bearer') return true;
    return this.admit(rule, context.switchToHttp().getRequest<ServiceRequest>());
  }

  private async admit(rule: AccessRule, request: ServiceRequest): Promise<boolean> {
    const principal = await this.identify(request);
    request.principal = principal;
    if (principal.kind === 'service') return true;
    if (rule.kind === 'service')
      throw new ServiceError('forbidden', 'service_token_required', 'Only services may call this; use a service token');
    if (rule.kind === 'right') {
      const { action, resource } = rule.right;
      const target = typeof resource === 'string' ? resource : resource(request);
      await this.access.authorize(principal, action, target, request.requestId);
    }
    return true;
  }

  private async identify(request: ServiceRequest): Promise<Principal> {
    const header = request.headers.authorization;
    if (!header && this.settings.serviceAuthDisabled) return { kind: 'service', service: 'development' };
    const token = bearerToken(header);
    if (!this.serviceTokens.claimsToBeService(token)) return this.access.authenticate(token, request.requestId);
    return { kind: 'service', service: this.serviceTokens.accept(token) };
  }
}

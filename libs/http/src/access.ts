import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { type AgentPrincipal, type ServiceRequest } from './request.js';

/**
 * Who an agent is, and what it may do. The gatekeeper answers from its own policy; every other service asks the gatekeeper.
 */
export abstract class AccessControl {
  /** @throws ServiceError unauthenticated, or unavailable when nobody can tell */
  abstract authenticate(token: string, requestId: string): Promise<AgentPrincipal>;

  /** @throws ServiceError forbidden, or unavailable when nobody can tell */
  abstract authorize(agent: AgentPrincipal, action: string, resource: string, requestId: string): Promise<void>;

  /**
   * Would it be allowed? For what is not refused either way, such as how much of something an agent gets to see: nothing is recorded.
   *
   * @throws ServiceError unavailable when nobody can tell
   */
  abstract allows(agent: AgentPrincipal, action: string, resource: string, requestId: string): Promise<boolean>;
}

/** The right that an agent needs for a call. Services need none. */
export interface RequiredRight {
  action: string;
  resource: string | ((request: ServiceRequest) => string);
}

export type AccessRule =
  | { kind: 'public' }
  | { kind: 'authenticated' }
  | { kind: 'service' }
  | { kind: 'bearer' }
  | { kind: 'right'; right: RequiredRight };

export const ACCESS_RULE = 'gravitas:access';
export const AUTHENTICATED: AccessRule = { kind: 'authenticated' };

const rule = (value: AccessRule) => applyDecorators(SetMetadata(ACCESS_RULE, value), ApiBearerAuth());

/** Anybody: health, metrics, documentation. */
export const Public = () => SetMetadata<string, AccessRule>(ACCESS_RULE, { kind: 'public' });

/** A service's token only. */
export const ServiceOnly = () => rule({ kind: 'service' });

/** The handler itself deals with the agent's token (it hands it to the gatekeeper); nothing is checked before. */
export const BearerToken = () => rule({ kind: 'bearer' });

/** Any agent or service with a valid token. What holds without a decorator, too; this one says so in the documentation. */
export const Authenticated = () => rule(AUTHENTICATED);

/** An agent whose policy allows `action` on `resource`, or a service. */
export const Requires = (action: string, resource: RequiredRight['resource']) =>
  rule({ kind: 'right', right: { action, resource } });

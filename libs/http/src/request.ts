import { type Request } from 'express';
import { type ServiceName } from '#contracts';

/** An agent, known by its token. `token` is kept to be passed on: inner services decide for themselves. */
export interface AgentPrincipal {
  kind: 'agent';
  ghostId: string;
  groups: readonly string[];
  tenantId: string;
  token: string;
}

export interface ServicePrincipal {
  kind: 'service';
  service: ServiceName | 'development';
}

export type Principal = AgentPrincipal | ServicePrincipal;

/** Who calls, and under which request id. */
export interface CallContext {
  principal: Principal;
  requestId: string;
}

/** An Express request with what our own middleware puts on it. */
export interface ServiceRequest extends Request {
  requestId: string;
  principal?: Principal;
}

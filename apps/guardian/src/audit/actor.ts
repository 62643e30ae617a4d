import { type CallContext, type Principal } from '#http';

/** Who did it, for rows: an agent's name, or `service:router`. */
export function actorName(principal: Principal): string {
  return principal.kind === 'agent' ? principal.ghostId : `service:${principal.service}`;
}

/**
 * Who did it, for audit events.
 *
 * @param spokenFor the agent that a service acts for when it calls; an agent always acts for itself
 */
export function actor({ principal, requestId }: CallContext, spokenFor: string | null = null) {
  return principal.kind === 'agent'
    ? { tenant_id: principal.tenantId, ghost_id: principal.ghostId, request_id: requestId }
    : { ghost_id: spokenFor, request_id: requestId, metadata: { by: actorName(principal) } };
}

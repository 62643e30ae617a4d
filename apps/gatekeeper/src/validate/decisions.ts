import { Injectable } from '@nestjs/common';
import { AuditTrail } from '#audit';
import { type ValidateRequest, type ValidateResponse } from '#contracts';
import { ServiceError } from '#errors';
import { type AgentPrincipal } from '#http';
import { PolicyStore } from '../policy/policy-store.js';
import { RateLimit } from './rate-limit.js';

/** Decides and records: no decision leaves before its audit event has the configured durability. */
@Injectable()
export class Decisions {
  constructor(
    private readonly policies: PolicyStore,
    private readonly trail: AuditTrail,
    private readonly rateLimit: RateLimit,
  ) {}

  /** @throws ServiceError rate_limited, forbidden with the reason, or unavailable (`audit_unavailable`) */
  async decide(
    agent: AgentPrincipal,
    request: Required<ValidateRequest>,
    requestId: string,
  ): Promise<ValidateResponse> {
    const { action, resource, metadata } = request;
    if (this.rateLimit.isOn) await this.rateLimit.pass(agent, action, resource, requestId);
    const groups = this.policies.groupsOf(agent);
    const { allowed, reason, rule, policyVersion } = this.policies.decide(groups, action, resource);
    const auditId = await this.trail.record({
      tenant_id: agent.tenantId,
      ghost_id: agent.ghostId,
      shell_id: shellOf(resource),
      action,
      resource,
      result: allowed ? 'ALLOWED' : 'DENIED',
      reason,
      request_id: requestId,
      session_id: typeof metadata.session_id === 'string' ? metadata.session_id.slice(0, 200) : null,
      metadata: { request: metadata, groups, rule, policy_version: policyVersion },
    });
    if (!allowed)
      throw new ServiceError('forbidden', 'policy_denied', `Access denied by policy: ${reason}`, {
        extensions: { ghost_id: agent.ghostId, audit_id: auditId, reason, policy_version: policyVersion },
      });
    return {
      allowed: true,
      ghost_id: agent.ghostId,
      tenant_id: agent.tenantId,
      groups,
      audit_id: auditId,
      reason,
      policy_version: policyVersion,
    };
  }
}

/** `shells/<tier>/<model>` names a model; its name may have slashes of its own. */
function shellOf(resource: string): string | null {
  return /^shells\/[^/]+\/(.{1,200})$/.exec(resource)?.[1] ?? null;
}

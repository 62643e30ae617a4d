import { Injectable } from '@nestjs/common';
import { AuditError, AuditTrail } from '#audit';
import { type AuditRecord, type ValidateRequest, type ValidateResponse } from '#contracts';
import { ServiceError } from '#errors';
import { type AgentPrincipal } from '#http';
import { PolicyStore } from '../policy/policy-store.js';
import { InputDigests } from './input-digests.js';
import { RateLimit } from './rate-limit.js';

interface DecisionRecord extends AuditRecord {
  metadata: { request: object; groups: readonly string[]; [member: string]: unknown };
}

/** Of those that were asked, in an event that would be too large with all of them. */
const FEW_GROUPS = 10;

/** Decides and records: no decision leaves before its audit event has the configured durability. */
@Injectable()
export class Decisions {
  private readonly digests = new InputDigests();

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
    const { ghostId: ghost, tenantId: tenant } = agent;
    const policy = this.policies.current;
    const groups = policy.groupsOf(ghost, agent.groups);
    const { allowed, reason, rule, policyVersion } = policy.decide(groups, action, resource);
    const event: DecisionRecord = {
      tenant_id: tenant,
      ghost_id: ghost,
      shell_id: shellOf(resource),
      action,
      resource,
      result: allowed ? 'ALLOWED' : 'DENIED',
      reason,
      request_id: requestId,
      session_id: typeof metadata.session_id === 'string' ? metadata.session_id.slice(0, 200).toWellFormed() : null,
      metadata: {
        request: metadata,
        groups,
        rule,
        policy_version: policyVersion,
        input: { groups: agent.groups },
        input_digest: this.digests.of(agent, action, resource),
      },
    };
    let auditId: string | null;
    try {
      auditId = await this.trail.record(event);
    } catch (error) {
      auditId = await this.recordLess(event, error);
    }
    if (!allowed)
      throw new ServiceError('forbidden', 'policy_denied', `Access denied by policy: ${reason}`, {
        extensions: { ghost_id: ghost, audit_id: auditId, reason, policy_version: policyVersion },
      });
    return {
      allowed: true,
      ghost_id: ghost,
      tenant_id: tenant,
      groups,
      audit_id: auditId,
      reason,
      policy_version: policyVersion,
    };
  }

  /** What the caller said of itself, and all the groups that were asked, may be too much for one event: then it goes without. */
  private async recordLess(event: DecisionRecord, error: unknown): Promise<string | null> {
    if (!(error instanceof AuditError) || error.code !== 'audit_invalid') throw error;
    const { request: _, ...metadata } = event.metadata;
    const groups = metadata.groups.slice(0, FEW_GROUPS);
    return this.trail.record({ ...event, metadata: { ...metadata, groups, too_large: true } });
  }
}

/** `shells/<tier>/<model>` names a model; its name may have slashes of its own, but no control characters. */
function shellOf(resource: string): string | null {
  return /^shells\/[^/]+\/([ -~\u00a0-\uffff]{1,200})$/.exec(resource)?.[1] ?? null;
}

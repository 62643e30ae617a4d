import { Inject, Injectable } from '@nestjs/common';
import { AuditLogger, AuditTrail } from '#audit';
import { settleWithin } from '#batching';
import { storableText } from '#database';
import { type Logger } from '#logging';
import { LOGGER } from '#service';

/** Why the file was read, and by whose wish. */
export interface LoadCause {
  source: 'boot' | 'watch' | 'reload';
  /** Who asked for it: an agent or a service. */
  by?: { tenantId: string; ghostId: string } | { service: string };
  requestId?: string;
}

export interface PolicyChange {
  path: string;
  oldVersion: string | null;
  newVersion: string | null;
  rules: number | null;
}

const MAX_REASON = 4000;
const WRITTEN_MS = 1000;

/** Records what became of the policy. */
@Injectable()
export class PolicyTrail {
  constructor(
    private readonly trail: AuditTrail,
    private readonly log: AuditLogger,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws ServiceError unavailable (`audit_unavailable`): then it must not come into force */
  async comesIntoForce(change: PolicyChange, cause: LoadCause): Promise<void> {
    await this.record('SUCCEEDED', `policy ${change.newVersion} comes into force`, change, cause);
  }

  /** A refusal changes nothing, so that one which cannot be recorded is still a refusal. */
  async refused(reason: string, change: PolicyChange, cause: LoadCause): Promise<void> {
    await this.record('FAILED', reason, change, cause).catch((error: unknown) =>
      this.logger.warn({ err: error }, 'the refusal of a policy could not be recorded'),
    );
  }

  /** Resolves when what was recorded is in the trail, or has had time to get there. */
  async written(): Promise<void> {
    await settleWithin(this.log.flush(), WRITTEN_MS);
  }

  private async record(
    result: 'SUCCEEDED' | 'FAILED',
    reason: string,
    { path, oldVersion, newVersion, rules }: PolicyChange,
    { source, by, requestId }: LoadCause,
  ): Promise<void> {
    const agent = by && 'ghostId' in by ? by : undefined;
    await this.trail.record({
      ...(agent && { tenant_id: agent.tenantId, ghost_id: agent.ghostId }),
      action: 'policy.load',
      resource: 'gatekeeper/policy',
      result,
      reason: storableText(reason, MAX_REASON),
      request_id: requestId ?? null,
      entities: newVersion === null ? [] : [{ kind: 'policy', id: newVersion }],
      metadata: {
        source,
        path: storableText(path, MAX_REASON),
        old_version: oldVersion,
        new_version: newVersion,
        rules,
        loaded_by: nameOf({ source, by }),
      },
    });
  }
}

/** A ghost's or a service's name; null where nobody asked. */
export function nameOf({ by }: LoadCause): string | null {
  if (!by) return null;
  return 'ghostId' in by ? by.ghostId : by.service;
}

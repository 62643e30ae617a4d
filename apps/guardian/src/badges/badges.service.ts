import { Injectable } from '@nestjs/common';
import { type AuditRecord, type BadgeGrantResponse, type BadgeList, type BadgeRevokeResponse } from '#contracts';
import { ServiceError } from '#errors';
import { type CallContext } from '#http';
import { actor, actorName } from '../audit/actor.js';
import { AuditedChanges } from '../audit/audited-changes.js';
import { BadgesRepository } from './badges.repository.js';

/** What a ghost's badges are called in policies and in the audit trail. */
export function badgesOf(ghostId: string): string {
  return `guardian/badges/${ghostId}`;
}

@Injectable()
export class BadgesService {
  constructor(
    private readonly badges: BadgesRepository,
    private readonly changes: AuditedChanges,
  ) {}

  async list(ghostId: string): Promise<BadgeList> {
    const badges = await this.badges.of(ghostId);
    return {
      ghost_id: ghostId,
      badges: badges.map(({ badge, grantedAt, grantedBy }) => ({
        badge,
        granted_at: grantedAt.toISOString(),
        granted_by: grantedBy,
      })),
    };
  }

  grant(ghostId: string, badge: string, call: CallContext): Promise<BadgeGrantResponse> {
    return this.changes.run(async (manager) => {
      const granted = await this.badges.insert(manager, { ghostId, badge, grantedBy: actorName(call.principal) });
      const events = granted ? [changed('badge.grant', ghostId, badge, call)] : [];
      return { result: { ghost_id: ghostId, badge, granted }, events };
    });
  }

  /** @throws ServiceError not_found when the ghost does not have it */
  revoke(ghostId: string, badge: string, call: CallContext): Promise<BadgeRevokeResponse> {
    return this.changes.run(async (manager) => {
      if (!(await this.badges.remove(manager, ghostId, badge)))
        throw new ServiceError('not_found', 'badge_not_found', `'${ghostId}' does not have the badge '${badge}'`);
      const result: BadgeRevokeResponse = { ghost_id: ghostId, badge, revoked: true };
      return { result, events: [changed('badge.revoke', ghostId, badge, call)] };
    });
  }
}

function changed(
  action: 'badge.grant' | 'badge.revoke',
  ghostId: string,
  badge: string,
  call: CallContext,
): AuditRecord {
  return {
    ...actor(call),
    action,
    resource: `${badgesOf(ghostId)}/${badge}`,
    result: 'SUCCEEDED',
    reason: `badge '${badge}' ${action === 'badge.grant' ? 'granted to' : 'revoked from'} '${ghostId}'`,
    entities: [
      { kind: 'agent', id: ghostId },
      { kind: 'badge', id: badge },
    ],
  };
}

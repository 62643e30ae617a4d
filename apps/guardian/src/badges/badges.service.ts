import { Injectable } from '@nestjs/common';
import {
  MAX_CAPABILITIES,
  type AuditRecord,
  type BadgeCheckResponse,
  type BadgeGrantResponse,
  type BadgeList,
  type BadgeRevokeResponse,
} from '#contracts';
import { ServiceError } from '#errors';
import { type CallContext } from '#http';
import { actor, actorName } from '../audit/actor.js';
import { AuditedChanges } from '../audit/audited-changes.js';
import { type FreshCache } from '../fresh/fresh-cache.js';
import { FreshCaches } from '../fresh/fresh-caches.js';
import { BadgesRepository } from './badges.repository.js';

/** What a ghost's badges are called in policies and in the audit trail. */
export function badgesOf(ghostId: string): string {
  return `guardian/badges/${ghostId}`;
}

@Injectable()
export class BadgesService {
  /** When a ghost was granted which badges. */
  private readonly held: FreshCache<ReadonlyMap<string, Date>>;

  constructor(
    private readonly badges: BadgesRepository,
    private readonly changes: AuditedChanges,
    private readonly caches: FreshCaches,
  ) {
    this.held = caches.make<ReadonlyMap<string, Date>>('badges', {
      read: async (ghostId) => new Map((await badges.of(ghostId)).map(({ badge, grantedAt }) => [badge, grantedAt])),
      keeps: (held) => held.size > 0,
    });
  }

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

  /** What is kept may be a second old when it says yes; a no is fresh. @throws ServiceError not_found when the ghost does not have it */
  async check(ghostId: string, badge: string): Promise<BadgeCheckResponse> {
    const held = await this.caches.lookUp('badges', this.held, ghostId, (kept) => kept.has(badge));
    const grantedAt = held.get(badge);
    if (grantedAt === undefined) throw notHeld(ghostId, badge);
    return { ghost_id: ghostId, badge, held: true, granted_at: grantedAt.toISOString() };
  }

  /** @throws ServiceError conflict when the ghost has as many as a certificate holds */
  grant(ghostId: string, badge: string, call: CallContext): Promise<BadgeGrantResponse> {
    return this.changes.run(async (manager) => {
      await this.badges.lock(manager, ghostId);
      const granted = await this.badges.insert(manager, { ghostId, badge, grantedBy: actorName(call.principal) });
      if (granted && (await this.badges.of(ghostId, manager)).length > MAX_CAPABILITIES)
        throw new ServiceError(
          'conflict',
          'badge_limit',
          `'${ghostId}' has ${MAX_CAPABILITIES} badges; revoke one first`,
        );
      const events = granted ? [changed('badge.grant', ghostId, badge, call)] : [];
      return { result: { ghost_id: ghostId, badge, granted }, events };
    });
  }

  /** @throws ServiceError not_found when the ghost does not have it */
  revoke(ghostId: string, badge: string, call: CallContext): Promise<BadgeRevokeResponse> {
    return this.changes.run(async (manager) => {
      if (!(await this.badges.remove(manager, ghostId, badge))) throw notHeld(ghostId, badge);
      const result: BadgeRevokeResponse = { ghost_id: ghostId, badge, revoked: true };
      return { result, events: [changed('badge.revoke', ghostId, badge, call)] };
    });
  }
}

function notHeld(ghostId: string, badge: string): ServiceError {
  return new ServiceError('not_found', 'badge_not_found', `'${ghostId}' does not have the badge '${badge}'`);
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

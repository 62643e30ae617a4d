import { Injectable } from '@nestjs/common';
import { AccessControl, type CallContext } from '#http';

/** Whose history it is about. Null: no restriction. */
export interface Scope {
  tenantId: string | null;
  ghostId: string | null;
}

/** An agent's own history is its own; for another ghost's of its tenant it needs a right. Services need none. */
@Injectable()
export class HistoryScope {
  constructor(private readonly access: AccessControl) {}

  /** @throws ServiceError forbidden, or unavailable when the gatekeeper does not answer */
  async of(
    { principal, requestId }: CallContext,
    action: 'read' | 'write',
    ghostId: string | undefined,
  ): Promise<Scope> {
    if (principal.kind === 'service') return { tenantId: null, ghostId: ghostId ?? null };
    const wanted = ghostId ?? principal.ghostId;
    if (wanted !== principal.ghostId) await this.access.authorize(principal, action, `history/${wanted}`, requestId);
    return { tenantId: principal.tenantId, ghostId: wanted };
  }
}

import { Injectable } from '@nestjs/common';
import { AccessControl, type CallContext } from '#http';

/** What a caller gets to see. Null: no restriction. */
export interface Scope {
  tenantId: string | null;
  ghostId: string | null;
}

/**
 * A service sees everything. An agent with the right to read `resource` sees its tenant; without it, what is its own.
 */
@Injectable()
export class ReadScope {
  constructor(private readonly access: AccessControl) {}

  /** @throws ServiceError unavailable when the gatekeeper does not answer */
  async of({ principal, requestId }: CallContext, resource: string): Promise<Scope> {
    if (principal.kind === 'service') return { tenantId: null, ghostId: null };
    const all = await this.access.allows(principal, 'read', resource, requestId);
    return { tenantId: principal.tenantId, ghostId: all ? null : principal.ghostId };
  }
}

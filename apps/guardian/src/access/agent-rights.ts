import { Injectable } from '@nestjs/common';
import { AccessControl, type CallContext } from '#http';

/** For rights that depend on what the body says, and so cannot be checked before it is read. */
@Injectable()
export class AgentRights {
  constructor(private readonly access: AccessControl) {}

  /** Services pass, an agent needs the right. @throws ServiceError forbidden, or unavailable when nobody can tell */
  async need({ principal, requestId }: CallContext, action: string, resource: string): Promise<void> {
    if (principal.kind === 'service') return;
    await this.access.authorize(principal, action, resource, requestId);
  }

  /** The same, but what is an agent's own it needs no right for. */
  async needUnlessOwn(call: CallContext, owner: string | undefined, action: string, resource: string): Promise<void> {
    if (call.principal.kind === 'agent' && call.principal.ghostId === owner) return;
    await this.need(call, action, resource);
  }
}

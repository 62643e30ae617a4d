import { Injectable } from '@nestjs/common';
import { AccessControl, type CallContext } from '#http';

/** For rights that depend on what the request says, and so cannot be checked before it is read. Services need none. */
@Injectable()
export class AgentRights {
  constructor(private readonly access: AccessControl) {}

  /** @throws ServiceError forbidden, or unavailable when nobody can tell */
  async need({ principal, requestId }: CallContext, action: string, resource: string): Promise<void> {
    if (principal.kind === 'service') return;
    await this.access.authorize(principal, action, resource, requestId);
  }

  /** The same, but what is an agent's own it needs no right for. */
  async needUnlessOwn(call: CallContext, owner: string, action: string, resource: string): Promise<void> {
    if (call.principal.kind === 'agent' && call.principal.ghostId === owner) return;
    await this.need(call, action, resource);
  }

  /**
   * Narrows a question to what its caller may see: all where it may read `resource`, otherwise its own. Another agent's, asked
   * for by name, needs `read` on `resource/<agent>`.
   *
   * @throws ServiceError forbidden, or unavailable when nobody can tell
   */
  async narrow<Q extends { agent?: string | undefined }>(call: CallContext, query: Q, resource: string): Promise<Q> {
    const { principal, requestId } = call;
    if (principal.kind === 'service') return query;
    if (query.agent === undefined) {
      const all = await this.access.allows(principal, 'read', resource, requestId);
      return all ? query : { ...query, agent: principal.ghostId };
    }
    await this.needUnlessOwn(call, query.agent, 'read', `${resource}/${query.agent}`);
    return query;
  }
}

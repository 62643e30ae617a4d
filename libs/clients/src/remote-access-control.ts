import { Injectable } from '@nestjs/common';
import { AccessControl, invalidToken, type AgentPrincipal } from '#http';
import { GatekeeperClient } from './gatekeeper-client.js';

/** Access control of every service but the gatekeeper: it asks the gatekeeper. */
@Injectable()
export class RemoteAccessControl extends AccessControl {
  constructor(private readonly gatekeeper: GatekeeperClient) {
    super();
  }

  async authenticate(token: string, requestId: string): Promise<AgentPrincipal> {
    const answer = await this.gatekeeper.introspect(token, requestId);
    if (!answer.active) throw invalidToken();
    return { kind: 'agent', ghostId: answer.sub, groups: answer.groups, tenantId: answer.tenant_id, token };
  }

  async authorize(agent: AgentPrincipal, action: string, resource: string, requestId: string): Promise<void> {
    await this.gatekeeper.validate(agent.token, { action, resource }, requestId);
  }

  async allows(agent: AgentPrincipal, action: string, resource: string, requestId: string): Promise<boolean> {
    return (await this.gatekeeper.explain(agent.token, { action, resource }, requestId)).allowed;
  }
}

import { Injectable } from '@nestjs/common';
import { AccessControl, type AgentPrincipal } from '#http';
import { PolicyStore } from '../policy/policy-store.js';
import { TokenVerifier } from '../tokens/token-verifier.js';
import { Decisions } from './decisions.js';

/** The gatekeeper's own endpoints obey the same policy, and are recorded the same way. */
@Injectable()
export class LocalAccessControl extends AccessControl {
  constructor(
    private readonly tokens: TokenVerifier,
    private readonly decisions: Decisions,
    private readonly policies: PolicyStore,
  ) {
    super();
  }

  async authenticate(token: string): Promise<AgentPrincipal> {
    return this.tokens.verify(token);
  }

  async authorize(agent: AgentPrincipal, action: string, resource: string, requestId: string): Promise<void> {
    await this.decisions.decide(agent, { action, resource, metadata: {} }, requestId);
  }

  async allows(agent: AgentPrincipal, action: string, resource: string): Promise<boolean> {
    return this.policies.decide(this.policies.groupsOf(agent), action, resource).allowed;
  }
}

import { type AgentPrincipal } from '#http';
import { inputDigest } from '../policy/core/index.js';

/** Questions of one token that are remembered; an agent asks the same few again and again. */
const MAX_QUESTIONS = 32;

/** Digests of decisions' inputs, remembered as long as the token itself is. */
export class InputDigests {
  private readonly known = new WeakMap<AgentPrincipal, Map<string, string>>();

  of(agent: AgentPrincipal, action: string, resource: string): string {
    const digests = this.known.get(agent) ?? new Map<string, string>();
    if (digests.size === 0) this.known.set(agent, digests);
    // An action cannot hold a line feed.
    const question = `${action}\n${resource}`;
    let digest = digests.get(question);
    if (digest === undefined) {
      const { tenantId: tenant, ghostId: ghost, groups } = agent;
      digest = inputDigest({ tenant, ghost, groups, action, resource });
      if (digests.size >= MAX_QUESTIONS) digests.clear();
      digests.set(question, digest);
    }
    return digest;
  }
}

import { Body, Controller, Post } from '@nestjs/common';
import { type z } from 'zod';
import {
  explainResponse,
  policyReloadResponse,
  validateRequest,
  type ExplainResponse,
  type PolicyReloadResponse,
} from '#contracts';
import { ServiceError } from '#errors';
import { Call, Endpoint, Requires, type CallContext } from '#http';
import { PolicyError } from './core/index.js';
import { PolicyStore } from './policy-store.js';

@Controller('v1/policy')
export class PolicyController {
  constructor(private readonly policies: PolicyStore) {}

  @Post('explain')
  @Endpoint({
    summary: 'Which rules would allow this, or why does none?',
    description:
      'The same question as /validate, asked by the agent itself. Nothing is decided and nothing is audited.',
    response: explainResponse,
    errors: { 400: 'The body is not as described', 401: 'No valid token', 403: 'A service has no policy to explain' },
  })
  explain(
    @Body({ schema: validateRequest }) body: z.output<typeof validateRequest>,
    @Call() { principal }: CallContext,
  ): ExplainResponse {
    if (principal.kind !== 'agent')
      throw new ServiceError('forbidden', 'agent_token_required', "Policies speak of agents; use an agent's token");
    const policy = this.policies.current;
    const groups = policy.groupsOf(principal.ghostId, principal.groups);
    const { allowed, reason, rule, policyVersion } = policy.decide(groups, body.action, body.resource);
    const { explained, complete } = policy.explain(groups, body.action, body.resource);
    return {
      allowed,
      ghost_id: principal.ghostId,
      groups,
      reason,
      rule,
      matched: explained.filter(({ whyNot }) => whyNot === undefined).map(({ rule }) => rule),
      considered: explained.flatMap(({ rule, whyNot }) => (whyNot === undefined ? [] : [{ ...rule, why_not: whyNot }])),
      complete,
      policy_version: policyVersion,
    };
  }

  @Post('reload')
  @Requires('write', 'gatekeeper/policy')
  @Endpoint({
    summary: 'Read the policy file again',
    response: policyReloadResponse,
    errors: {
      400: 'The file is not valid; the policy in force stays',
      401: 'No valid token',
      403: 'Not allowed',
      503: 'The policy cannot be kept, or not be recorded; the policy in force stays',
    },
  })
  async reload(@Call() { principal, requestId }: CallContext): Promise<PolicyReloadResponse> {
    try {
      const { policy, changed } = await this.policies.reload({ source: 'reload', by: principal, requestId });
      return { policy_version: policy.version, changed, groups: policy.groupCount, rules: policy.rules.length };
    } catch (error) {
      if (error instanceof PolicyError) throw new ServiceError('invalid', error.code, error.message, { cause: error });
      throw error;
    }
  }
}

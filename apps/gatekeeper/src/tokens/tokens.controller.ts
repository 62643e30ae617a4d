import { Body, Controller, Post } from '@nestjs/common';
import { type z } from 'zod';
import { introspectRequest, introspectResponse, type IntrospectResponse } from '#contracts';
import { ServiceError } from '#errors';
import { Call, Endpoint, ServiceOnly, type CallContext } from '#http';
import { PolicyStore } from '../policy/policy-store.js';
import { AuthenticationFailures } from './authentication-failures.js';
import { TokenVerifier } from './token-verifier.js';

@Controller('v1/tokens')
export class TokensController {
  constructor(
    private readonly tokens: TokenVerifier,
    private readonly policies: PolicyStore,
    private readonly failures: AuthenticationFailures,
  ) {}

  @Post('introspect')
  @ServiceOnly()
  @Endpoint({
    summary: "Is this agent's token good, and whose is it?",
    description:
      'Token introspection after RFC 7662, for the other services. No policy is asked and nothing is audited.',
    response: introspectResponse,
    errors: { 400: 'The body is not as described', 401: 'No valid service token', 403: 'Not a service' },
  })
  async introspect(
    @Body({ schema: introspectRequest }) body: z.output<typeof introspectRequest>,
    @Call() call: CallContext,
  ): Promise<IntrospectResponse> {
    try {
      const agent = await this.tokens.verify(body.token);
      return {
        active: true,
        sub: agent.ghostId,
        groups: this.policies.groupsOf(agent),
        tenant_id: agent.tenantId,
        exp: agent.expiresAt,
      };
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'unauthenticated') throw error;
      const asking = call.principal.kind === 'service' ? call.principal.service : 'unknown';
      await this.failures.record(error, 'authenticate', `services/${asking}`, call.requestId);
      return { active: false };
    }
  }
}

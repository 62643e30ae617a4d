import { Body, Controller, Post, UseGuards } from '@nestjs/common';
import { type z } from 'zod';
import { validateRequest, validateResponse, type ValidateResponse } from '#contracts';
import { ServiceError } from '#errors';
import { BearerToken, Call, Endpoint, type CallContext } from '#http';
import { AuditedAuthenticationGuard } from './audited-authentication.guard.js';
import { Decisions } from './decisions.js';

@Controller('validate')
export class ValidateController {
  constructor(private readonly decisions: Decisions) {}

  @Post()
  @BearerToken()
  @UseGuards(AuditedAuthenticationGuard)
  @Endpoint({
    summary: 'May this caller do this?',
    description: 'Every answer is recorded in the audit trail before it is given; `audit_id` is its event.',
    response: validateResponse,
    errors: {
      400: 'The body is not as described',
      401: 'No token, or one that is not valid',
      403: 'Denied by policy, with `ghost_id`, `audit_id`, `reason` and `policy_version`',
      429: 'The ghost asks too often; Retry-After says when to ask again',
      503: 'Not decided, because it could not be recorded (`audit_unavailable`)',
    },
  })
  validate(
    @Body({ schema: validateRequest }) body: z.output<typeof validateRequest>,
    @Call() { principal, requestId }: CallContext,
  ): Promise<ValidateResponse> {
    if (principal.kind !== 'agent')
      throw new ServiceError('forbidden', 'agent_token_required', "Policies speak of agents; use an agent's token");
    return this.decisions.decide(principal, body, requestId);
  }
}

import { Body, Controller, Post } from '@nestjs/common';
import { type z } from 'zod';
import { certificateCheckRequest, certificateCheckResponse, type CertificateCheckResponse } from '#contracts';
import { Authenticated, Call, Endpoint, type CallContext } from '#http';
import { actor } from '../audit/actor.js';
import { certificatesOf } from '../certificates/certificate-events.js';
import { CertificateCheck } from './certificate-check.js';

@Controller('validate')
export class ValidateController {
  constructor(private readonly check: CertificateCheck) {}

  @Post()
  @Authenticated()
  @Endpoint({
    summary: 'Is this agent certified?',
    description:
      'Anybody with a token may ask about any agent. The newest certificate counts, also when it is revoked or has expired. A yes may ' +
      'be a second old; a refusal is fresh, and recorded in the audit trail before it is given: `audit_id` is its event.',
    response: certificateCheckResponse,
    errors: {
      400: 'The body is not as described',
      401: 'No valid token',
      403: 'No valid certificate (`certificate_missing`, `certificate_revoked`, `certificate_invalid`), or an expired one (`certificate_expired`)',
      503: 'Nobody can tell (`database_unavailable`), or refused, but it could not be recorded (`audit_unavailable`)',
    },
  })
  async validate(
    @Body({ schema: certificateCheckRequest }) { agent }: z.output<typeof certificateCheckRequest>,
    @Call() call: CallContext,
  ): Promise<CertificateCheckResponse> {
    const { issuedAt, expiresAt } = await this.check.pass(agent, {
      ...actor(call, agent),
      action: 'certificate.validate',
      resource: certificatesOf(agent),
      entities: [{ kind: 'agent', id: agent }],
    });
    return { valid: true, agent, issued_at: issuedAt.toISOString(), expires_at: expiresAt.toISOString() };
  }
}

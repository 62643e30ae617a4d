import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { type z } from 'zod';
import {
  certificateIssueRequest,
  certificateList,
  certificateQuery,
  certificateRevokeResponse,
  issuedCertificate,
  name,
  type CertificateList,
  type CertificateQuery,
  type CertificateRevokeResponse,
  type IssuedCertificate,
} from '#contracts';
import { Authenticated, Call, Endpoint, Requires, type CallContext } from '#http';
import { AgentRights } from '../access/agent-rights.js';
import { certificatesOf } from './certificate-events.js';
import { CertificatesService } from './certificates.service.js';

@Controller('certificates')
export class CertificatesController {
  constructor(
    private readonly certificates: CertificatesService,
    private readonly rights: AgentRights,
  ) {}

  @Get()
  @Authenticated()
  @Endpoint({
    summary: 'Certificates, newest first',
    description:
      "All where the caller may `read` guardian/certificates, otherwise its own. Another's, asked for by name, need `read` on guardian/certificates/<agent>.",
    response: certificateList,
    errors: { 400: 'A filter is not valid', 401: 'No valid token', 403: 'Not allowed' },
  })
  async list(
    @Query({ schema: certificateQuery }) query: CertificateQuery,
    @Call() call: CallContext,
  ): Promise<CertificateList> {
    return this.certificates.list(await this.rights.narrow(call, query, 'guardian/certificates'));
  }

  @Post()
  @Authenticated()
  @Endpoint({
    summary: 'Issue a certificate, or renew one',
    description:
      'The newest certificate counts; those before it stay as history. `ttl` is in seconds, or text such as 30s, 15m, 12h, 90d: ' +
      'one second to ten years. Needs `write` on guardian/certificates/<agent>.',
    status: 201,
    response: issuedCertificate,
    errors: {
      400: 'The body is not as described',
      401: 'No valid token',
      403: 'Not allowed',
      503: 'Not issued, because it could not be recorded (`audit_unavailable`)',
    },
  })
  async issue(
    @Body({ schema: certificateIssueRequest }) body: z.output<typeof certificateIssueRequest>,
    @Call() call: CallContext,
  ): Promise<IssuedCertificate> {
    await this.rights.need(call, 'write', certificatesOf(body.agent));
    return this.certificates.issue(body, call);
  }

  @Delete(':agent')
  @Requires('write', (request) => certificatesOf(String(request.params.agent)))
  @Endpoint({
    summary: "Revoke all of an agent's certificates",
    response: certificateRevokeResponse,
    errors: {
      400: 'Not a name',
      401: 'No valid token',
      403: 'Not allowed',
      404: 'It has none that is not revoked',
      503: 'Not revoked, because it could not be recorded (`audit_unavailable`)',
    },
  })
  revoke(
    @Param('agent', { schema: name }) agent: string,
    @Call() call: CallContext,
  ): Promise<CertificateRevokeResponse> {
    return this.certificates.revoke(agent, call);
  }
}

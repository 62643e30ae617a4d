import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { type z } from 'zod';
import {
  certificateIssueRequest,
  certificateList,
  certificateQuery,
  certificateRenewRequest,
  certificateRevokeQuery,
  certificateRevokeResponse,
  issuedCertificate,
  name,
  type CertificateList,
  type CertificateQuery,
  type CertificateRevokeQuery,
  type CertificateRevokeResponse,
  type IssuedCertificate,
} from '#contracts';
import { Authenticated, Call, Endpoint, Requires, type CallContext, type ServiceRequest } from '#http';
import { AgentRights } from '../access/agent-rights.js';
import { certificatesOf } from './certificate-events.js';
import { CertificatesService } from './certificates.service.js';

const NOT_MADE =
  'Not made: it could not be recorded (`audit_unavailable`), or there is no key to sign it with (`signing_key_unavailable`)';
const theAgents = (request: ServiceRequest) => certificatesOf(String(request.params.agent));

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
    summary: 'Issue a certificate',
    description:
      'The newest certificate counts; those before it stay as history. `ttl` is in seconds, or text such as 30s, 15m, 12h, 90d: ' +
      "one second to ten years. Without `capabilities` it gets the agent's badges. Needs `write` on guardian/certificates/<agent>.",
    status: 201,
    response: issuedCertificate,
    errors: {
      400: 'The body is not as described',
      401: 'No valid token',
      403: 'Not allowed',
      409: 'The agent has more badges than a certificate holds (`badge_limit`); the newest one is from the future (`certificate_from_the_future`)',
      503: NOT_MADE,
    },
  })
  async issue(
    @Body({ schema: certificateIssueRequest }) body: z.output<typeof certificateIssueRequest>,
    @Call() call: CallContext,
  ): Promise<IssuedCertificate> {
    await this.rights.need(call, 'write', certificatesOf(body.agent));
    return this.certificates.issue(body, call);
  }

  @Post(':agent/renew')
  @Requires('write', theAgents)
  @Endpoint({
    summary: "Renew an agent's certificate",
    description:
      'A new certificate with the capabilities of the newest, for `ttl` or else for as long as that one. It may have expired.',
    status: 201,
    response: issuedCertificate,
    errors: {
      400: 'Not a name, or the body is not as described',
      401: 'No valid token',
      403: 'Not allowed',
      404: 'It has none',
      409: 'The newest is revoked (`certificate_revoked`), or is not what was signed (`certificate_invalid`): issue a new one',
      503: NOT_MADE,
    },
  })
  renew(
    @Param('agent', { schema: name }) agent: string,
    @Body({ schema: certificateRenewRequest }) { ttl }: z.output<typeof certificateRenewRequest>,
    @Call() call: CallContext,
  ): Promise<IssuedCertificate> {
    return this.certificates.renew(agent, ttl, call);
  }

  @Get(':agent/current')
  @Authenticated()
  @Endpoint({
    summary: "An agent's newest certificate, as it was signed",
    description:
      'For whoever wants to verify it alone, with the public key from GET /signing-keys. It may be expired or revoked: see `status`. ' +
      "An agent sees its own; another's needs `read` on guardian/certificates/<agent>.",
    response: issuedCertificate,
    errors: { 400: 'Not a name', 401: 'No valid token', 403: 'Not allowed', 404: 'It has none' },
  })
  async current(
    @Param('agent', { schema: name }) agent: string,
    @Call() call: CallContext,
  ): Promise<IssuedCertificate> {
    await this.rights.needUnlessOwn(call, agent, 'read', certificatesOf(agent));
    return this.certificates.current(agent);
  }

  @Delete(':agent')
  @Requires('write', theAgents)
  @Endpoint({
    summary: "Revoke all of an agent's certificates, or one",
    description: 'With `serial` that one only. No older one stands in for the newest, when that is revoked.',
    response: certificateRevokeResponse,
    errors: {
      400: 'Not a name, not a serial, or something else in the query',
      401: 'No valid token',
      403: 'Not allowed',
      404: 'It has none that is not revoked',
      503: 'Not revoked, because it could not be recorded (`audit_unavailable`)',
    },
  })
  revoke(
    @Param('agent', { schema: name }) agent: string,
    @Query({ schema: certificateRevokeQuery }) { serial }: CertificateRevokeQuery,
    @Call() call: CallContext,
  ): Promise<CertificateRevokeResponse> {
    return this.certificates.revoke(agent, serial, call);
  }
}

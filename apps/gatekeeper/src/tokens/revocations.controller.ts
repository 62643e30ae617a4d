import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { type z } from 'zod';
import {
  revokedTokensQuery,
  revokedTokensResponse,
  revokeTokensRequest,
  revokeTokensResponse,
  type RevokedTokensQuery,
  type RevokedTokensResponse,
  type RevokeTokensResponse,
} from '#contracts';
import { ServiceError } from '#errors';
import { Call, Endpoint, Requires, type CallContext, type Principal } from '#http';
import { Revocations } from './revocations.js';
import { RevocationsRepository, type StoredRevocation } from './revocations.repository.js';

const DEFAULT_TENANT = 'default';

@Controller('v1/tokens')
export class RevocationsController {
  constructor(
    private readonly revocations: Revocations,
    private readonly repository: RevocationsRepository,
  ) {}

  @Post('revoke')
  @Requires('write', 'gatekeeper/tokens')
  @Endpoint({
    summary: 'Refuse a token from now on, or all that a ghost has',
    description:
      'By `jti`: that token, until it would have expired. By `ghost_id`: each token of that ghost that was issued until now or does not ' +
      'say when; later ones are good. Counts at once here and within a second everywhere, and survives restarts. Doing it again is no error.',
    response: revokeTokensResponse,
    errors: {
      400: 'Not exactly one of jti and ghost_id',
      401: 'No valid token',
      403: 'The agent may not write gatekeeper/tokens, or names a tenant that is not its own',
      409: 'As many as are kept are revoked already',
      503: 'Not revoked: the database does not answer, or it could not be recorded (`audit_unavailable`)',
    },
  })
  async revoke(
    @Body({ schema: revokeTokensRequest }) body: z.output<typeof revokeTokensRequest>,
    @Call() { principal, requestId }: CallContext,
  ): Promise<RevokeTokensResponse> {
    const revocation = await this.revocations.revoke({
      tenantId: tenantFor(principal, body.tenant_id),
      ...(body.jti === undefined ? { kind: 'ghost', value: body.ghost_id ?? '' } : { kind: 'jti', value: body.jti }),
      reason: body.reason,
      revokedBy: principal.kind === 'agent' ? principal.ghostId : `services/${principal.service}`,
      ghostId: principal.kind === 'agent' ? principal.ghostId : null,
      requestId,
    });
    return { revoked: subjectOf(revocation), revoked_at: revocation.revokedAt.toISOString() };
  }

  @Get('revoked')
  @Requires('read', 'gatekeeper/tokens')
  @Endpoint({
    summary: 'What is revoked, newest first',
    description: "An agent sees its own tenant's, a service all.",
    response: revokedTokensResponse,
    errors: {
      400: 'The limit is not from 1 to 1000',
      401: 'No valid token',
      403: 'The agent may not read gatekeeper/tokens',
      503: 'The database does not answer',
    },
  })
  async list(
    @Query({ schema: revokedTokensQuery }) { limit }: RevokedTokensQuery,
    @Call() { principal }: CallContext,
  ): Promise<RevokedTokensResponse> {
    const revocations = await this.repository.find(principal.kind === 'agent' ? principal.tenantId : null, limit);
    return {
      revoked: revocations.map((revocation) => ({
        ...subjectOf(revocation),
        revoked_at: revocation.revokedAt.toISOString(),
        revoked_by: revocation.revokedBy,
        reason: revocation.reason,
        expires_at: revocation.expiresAt?.toISOString() ?? null,
      })),
    };
  }
}

/** @throws ServiceError forbidden when an agent reaches for another tenant */
function tenantFor(principal: Principal, asked: string | undefined): string {
  if (principal.kind === 'service') return asked ?? DEFAULT_TENANT;
  if (asked !== undefined && asked !== principal.tenantId)
    throw new ServiceError('forbidden', 'foreign_tenant', 'An agent revokes tokens of its own tenant only');
  return principal.tenantId;
}

function subjectOf({ tenantId, kind, value }: StoredRevocation) {
  return { tenant_id: tenantId, ...(kind === 'jti' ? { jti: value } : { ghost_id: value }) };
}

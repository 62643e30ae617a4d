import { Injectable } from '@nestjs/common';
import {
  type CertificateList,
  type CertificateQuery,
  type CertificateRevokeResponse,
  type CertificateView,
  type IssuedCertificate,
} from '#contracts';
import { ServiceError } from '#errors';
import { type CallContext } from '#http';
import { actor, actorName } from '../audit/actor.js';
import { AuditedChanges } from '../audit/audited-changes.js';
import { issued, revoked } from './certificate-events.js';
import { CertificateSigner } from './certificate-signer.js';
import { type Certificate } from './certificate.entity.js';
import { CertificatesRepository } from './certificates.repository.js';

@Injectable()
export class CertificatesService {
  constructor(
    private readonly certificates: CertificatesRepository,
    private readonly signer: CertificateSigner,
    private readonly changes: AuditedChanges,
  ) {}

  /** A new certificate; those before it stay as history, this one counts. @param ttl seconds */
  issue(
    request: { agent: string; ttl: number; capabilities: readonly string[] },
    call: CallContext,
  ): Promise<IssuedCertificate> {
    return this.changes.run(async (manager) => {
      const made = this.signer.make(request.agent, request.ttl, request.capabilities);
      await this.certificates.insert(manager, made);
      const { version, statement, signature, keyId } = made;
      return {
        result: { ...view(made, 'valid'), version, statement, signature, key_id: keyId },
        events: [issued(made, actor(call), `issued for ${request.ttl} seconds`)],
      };
    });
  }

  /** @throws ServiceError not_found when there is none to revoke */
  revoke(agent: string, call: CallContext): Promise<CertificateRevokeResponse> {
    return this.changes.run(async (manager) => {
      const serials = await this.certificates.revokeAll(manager, agent, `revoked by ${actorName(call.principal)}`);
      if (serials.length === 0)
        throw new ServiceError('not_found', 'certificate_not_found', `Agent '${agent}' has no certificate to revoke`);
      return { result: { agent, revoked: serials.length }, events: [revoked(agent, serials, actor(call))] };
    });
  }

  async list(query: CertificateQuery): Promise<CertificateList> {
    const [rows, total] = await this.certificates.find(query);
    const certificates = await Promise.all(rows.map(async (row) => view(row, await this.statusOf(row))));
    return { certificates, total };
  }

  private async statusOf(row: Certificate): Promise<CertificateView['status']> {
    if (row.revokedAt !== null) return 'revoked';
    if (!(await this.signer.isGenuine(row))) return 'invalid';
    return row.expiresAt > new Date() ? 'valid' : 'expired';
  }
}

function view(row: Certificate, status: CertificateView['status']): CertificateView {
  return {
    agent: row.agent,
    serial: row.serial,
    issued_at: row.issuedAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    revoked_at: row.revokedAt?.toISOString() ?? null,
    status,
    capabilities: row.capabilities,
  };
}

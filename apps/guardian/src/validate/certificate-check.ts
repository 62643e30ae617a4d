import { Injectable } from '@nestjs/common';
import { AuditTrail } from '#audit';
import { type AuditRecord } from '#contracts';
import { ServiceError } from '#errors';
import { Metrics } from '#metrics';
import { type Certificate } from '../certificates/certificate.entity.js';
import { CertificateLookup } from '../certificates/certificate-lookup.js';

/** Decides whether an agent is certified, and records each refusal before it is answered. */
@Injectable()
export class CertificateCheck {
  private readonly verdicts;

  constructor(
    private readonly certificates: CertificateLookup,
    private readonly trail: AuditTrail,
    metrics: Metrics,
  ) {
    this.verdicts = metrics.counter('guardian_validations_total', 'Certificate checks by result', ['result']);
  }

  /**
   * @param refusal how a refusal is recorded; result and reason are filled in here
   * @returns the certificate that makes it so
   * @throws ServiceError forbidden with the reason, or unavailable (`audit_unavailable`) when a refusal cannot be recorded
   */
  async pass(agent: string, refusal: Omit<AuditRecord, 'result' | 'reason'>): Promise<Certificate> {
    const { verdict, certificate } = await this.certificates.of(agent);
    this.verdicts.inc({ result: verdict });
    if (certificate !== null && verdict === 'valid') return certificate;
    const detail =
      certificate !== null && verdict === 'expired'
        ? `Certificate for '${agent}' expired on ${certificate.expiresAt.toISOString()}`
        : `Agent '${agent}' lacks a valid certificate`;
    const serial = certificate === null ? [] : [{ kind: 'certificate', id: certificate.serial }];
    const entities = [...(refusal.entities ?? []), ...serial];
    const auditId = await this.trail.record({ ...refusal, result: 'DENIED', reason: detail, entities });
    throw new ServiceError('forbidden', `certificate_${verdict}`, detail, { extensions: { audit_id: auditId } });
  }
}

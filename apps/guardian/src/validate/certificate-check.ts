import { Inject, Injectable } from '@nestjs/common';
import { AuditTrail } from '#audit';
import { type AuditRecord } from '#contracts';
import { ServiceError } from '#errors';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CertificateSigner } from '../certificates/certificate-signer.js';
import { type Certificate } from '../certificates/certificate.entity.js';
import { CertificatesRepository } from '../certificates/certificates.repository.js';

type Verdict = 'valid' | 'missing' | 'expired' | 'invalid';

/** Decides whether an agent is certified, afresh each time, and records each refusal before it is answered. */
@Injectable()
export class CertificateCheck {
  private readonly verdicts;

  constructor(
    private readonly certificates: CertificatesRepository,
    private readonly signer: CertificateSigner,
    private readonly trail: AuditTrail,
    @Inject(LOGGER) private readonly logger: Logger,
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
    const certificate = await this.certificates.newest(agent);
    const verdict = await this.judge(certificate);
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

  /** An older certificate never stands in for the newest: renewing replaces. */
  private async judge(certificate: Certificate | null): Promise<Verdict> {
    if (certificate === null) return 'missing';
    if (!(await this.signer.isGenuine(certificate))) {
      const { agent, serial, keyId } = certificate;
      this.logger.error(
        { agent, serial, key_id: keyId },
        'a certificate is not what was signed: its row was changed, or its key is not on record',
      );
      return 'invalid';
    }
    return certificate.expiresAt > new Date() ? 'valid' : 'expired';
  }
}

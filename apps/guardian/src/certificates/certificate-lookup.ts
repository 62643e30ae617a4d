import { Inject, Injectable } from '@nestjs/common';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { Clock } from '../clock.js';
import { type FreshCache } from '../fresh/fresh-cache.js';
import { FreshCaches } from '../fresh/fresh-caches.js';
import { CertificateSigner } from './certificate-signer.js';
import { judge, statusAt, type Judgement } from './certificate-standing.js';
import { type Certificate } from './certificate.entity.js';
import { CertificatesRepository } from './certificates.repository.js';

export type Verdict = 'valid' | 'missing' | 'expired' | 'revoked' | 'invalid';

interface Judged {
  certificate: Certificate;
  judgement: Judgement;
}

/**
 * Which of an agent's certificates counts, and what it is worth now. Only what speaks for an agent is kept, for a second at most:
 * whatever speaks against it was read from the database for this question. The time is looked at on each use.
 */
@Injectable()
export class CertificateLookup {
  private readonly newest: FreshCache<Judged | null>;

  constructor(
    private readonly certificates: CertificatesRepository,
    private readonly signer: CertificateSigner,
    private readonly clock: Clock,
    private readonly caches: FreshCaches,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.newest = caches.make<Judged | null>('certificates', {
      read: (agent) => this.read(agent),
      keeps: (judged) => judged?.judgement === 'good',
    });
  }

  /** @throws what the database throws when it does not answer */
  async of(agent: string): Promise<{ verdict: Verdict; certificate: Certificate | null }> {
    const judged = await this.caches.lookUp(
      'certificates',
      this.newest,
      agent,
      (kept) => this.verdict(kept) === 'valid',
    );
    return { verdict: this.verdict(judged), certificate: judged?.certificate ?? null };
  }

  private verdict(judged: Judged | null): Verdict {
    return judged === null ? 'missing' : statusAt(this.clock.now(), judged.certificate, judged.judgement);
  }

  private async read(agent: string): Promise<Judged | null> {
    const newest = await this.certificates.newest(agent);
    if (newest === null) return null;
    const { certificate } = newest;
    const judgement = judge(newest, this.signer);
    if (judgement === 'invalid')
      this.logger.error(
        { agent: certificate.agent, serial: certificate.serial, key_id: certificate.keyId },
        'a certificate is not what was signed: its row was changed, or its key is not on record',
      );
    return { certificate, judgement };
  }
}

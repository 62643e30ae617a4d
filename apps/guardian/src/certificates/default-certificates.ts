import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MAX_CAPABILITIES } from '#contracts';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { AuditedChanges } from '../audit/audited-changes.js';
import { BadgesRepository } from '../badges/badges.repository.js';
import { Clock } from '../clock.js';
import { CONFIG, type GuardianConfig } from '../config.js';
import { SigningKeys } from '../signing/signing-keys.js';
import { issued } from './certificate-events.js';
import { CertificateSigner } from './certificate-signer.js';
import { type Certificate } from './certificate.entity.js';
import { CertificatesRepository } from './certificates.repository.js';

/** Certifies the default agents at their first boot. One whose certificate was revoked, or has expired, stays without. */
@Injectable()
export class DefaultCertificates implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: GuardianConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly certificates: CertificatesRepository,
    private readonly badges: BadgesRepository,
    private readonly keys: SigningKeys,
    private readonly signer: CertificateSigner,
    private readonly changes: AuditedChanges,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    const key = await this.keys.usable();
    const agents = await this.changes.run(async (manager) => {
      const missing = await this.certificates.withoutAny(manager, this.config.defaultAgents);
      const made: Certificate[] = [];
      for (const agent of missing) {
        const badges = (await this.badges.of(agent, manager)).slice(0, MAX_CAPABILITIES).map(({ badge }) => badge);
        made.push(this.signer.make(key, this.clock.now(), agent, this.config.certificateTtl, badges));
      }
      for (const certificate of made) await this.certificates.insert(manager, certificate);
      const by = { metadata: { by: 'service:guardian' } };
      return { result: missing, events: made.map((each) => issued(each, by, 'default agent at first boot')) };
    });
    if (agents.length > 0) this.logger.info({ agents }, 'default agents certified');
  }
}

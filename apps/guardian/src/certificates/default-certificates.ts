import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { AuditedChanges } from '../audit/audited-changes.js';
import { CONFIG, type GuardianConfig } from '../config.js';
import { issued } from './certificate-events.js';
import { CertificateSigner } from './certificate-signer.js';
import { CertificatesRepository } from './certificates.repository.js';

/** Certifies the default agents at their first boot. One whose certificate was revoked, or has expired, stays without. */
@Injectable()
export class DefaultCertificates implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: GuardianConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly certificates: CertificatesRepository,
    private readonly signer: CertificateSigner,
    private readonly changes: AuditedChanges,
  ) {}

  async onModuleInit(): Promise<void> {
    const agents = await this.changes.run(async (manager) => {
      const missing = await this.certificates.withoutAny(manager, this.config.defaultAgents);
      const made = missing.map((agent) => this.signer.make(agent, this.config.certificateTtl, []));
      for (const certificate of made) await this.certificates.insert(manager, certificate);
      const by = { metadata: { by: 'service:guardian' } };
      return { result: missing, events: made.map((each) => issued(each, by, 'default agent at first boot')) };
    });
    if (agents.length > 0) this.logger.info({ agents }, 'default agents certified');
  }
}

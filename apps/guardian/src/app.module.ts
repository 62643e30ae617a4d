import { type DynamicModule, Module } from '@nestjs/common';
import { type Logger } from '#logging';
import { peerServiceModules, type ServiceDefinition } from '#service';
import { migrations } from '../migrations/index.js';
import { AgentRights } from './access/agent-rights.js';
import { AuditedChanges } from './audit/audited-changes.js';
import { BadgesController } from './badges/badges.controller.js';
import { BadgesRepository } from './badges/badges.repository.js';
import { BadgesService } from './badges/badges.service.js';
import { CertificateLookup } from './certificates/certificate-lookup.js';
import { CertificateSigner } from './certificates/certificate-signer.js';
import { CertificatesController } from './certificates/certificates.controller.js';
import { CertificatesRepository } from './certificates/certificates.repository.js';
import { CertificatesService } from './certificates/certificates.service.js';
import { DefaultCertificates } from './certificates/default-certificates.js';
import { Clock } from './clock.js';
import { CONFIG, loadConfig, type GuardianConfig } from './config.js';
import { entities } from './entities.js';
import { ChangeHints } from './fresh/change-hints.js';
import { FreshCaches } from './fresh/fresh-caches.js';
import { SessionReaper } from './sessions/session-reaper.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { SessionsRepository } from './sessions/sessions.repository.js';
import { SessionsService } from './sessions/sessions.service.js';
import { KeyFiles } from './signing/key-files.js';
import { Signatures } from './signing/signatures.js';
import { SigningKeysController } from './signing/signing-keys.controller.js';
import { SigningKeys } from './signing/signing-keys.js';
import { SigningKeysRepository } from './signing/signing-keys.repository.js';
import { SigningKeysService } from './signing/signing-keys.service.js';
import { StatsController } from './stats/stats.controller.js';
import { StatsRepository } from './stats/stats.repository.js';
import { CertificateCheck } from './validate/certificate-check.js';
import { ValidateController } from './validate/validate.controller.js';

@Module({})
class AppModule {
  static forRoot(config: GuardianConfig, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: peerServiceModules({ service: config.service, logger, entities, migrations }),
      controllers: [
        ValidateController,
        SessionsController,
        StatsController,
        CertificatesController,
        SigningKeysController,
        BadgesController,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: KeyFiles, useFactory: () => KeyFiles.open(config.signingKeyPath, logger) },
        Clock,
        FreshCaches,
        ChangeHints,
        AgentRights,
        AuditedChanges,
        Signatures,
        SigningKeysRepository,
        SigningKeys,
        SigningKeysService,
        CertificateSigner,
        CertificateLookup,
        CertificatesRepository,
        CertificatesService,
        DefaultCertificates,
        CertificateCheck,
        SessionsRepository,
        SessionsService,
        SessionReaper,
        StatsRepository,
        BadgesRepository,
        BadgesService,
      ],
    };
  }
}

export const guardian: ServiceDefinition<GuardianConfig> = {
  describe: {
    title: 'Gravitas Guardian',
    description: 'Certifies agents: certificates, badges and sessions.',
  },
  loadConfig,
  entities,
  migrations,
  module: (config, logger) => AppModule.forRoot(config, logger),
};

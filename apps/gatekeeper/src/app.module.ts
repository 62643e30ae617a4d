import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AuditModule, PostgresSink } from '#audit';
import { createPool } from '#database';
import { AccessControl } from '#http';
import { type Logger } from '#logging';
import { ServiceModule, type ServiceDefinition } from '#service';
import { migrations } from '../migrations/index.js';
import { AuditExport } from './audit/audit-export.js';
import { AuditIngest } from './audit/audit-ingest.js';
import { AuditSearch } from './audit/audit-search.js';
import { AuditTimelines } from './audit/audit-timeline.js';
import { AuditController } from './audit/audit.controller.js';
import { MonthKeeper } from './audit/month-keeper.js';
import { Quarantine } from './audit/quarantine.js';
import { TextTidier } from './audit/text-tidier.js';
import { TrailReader } from './audit/trail-reader.js';
import { CONFIG, loadConfig, type GatekeeperConfig } from './config.js';
import { countOn } from './notary/count-on.js';
import { LogReader } from './notary/log-reader.js';
import { LogController } from './notary/log.controller.js';
import { Notary } from './notary/notary.js';
import { PolicyArchive } from './policy/policy-archive.js';
import { Proofs } from './notary/proofs.js';
import { TilesController } from './notary/tiles.controller.js';
import { WitnessReport } from './notary/witness-report.js';
import { PolicyStore } from './policy/policy-store.js';
import { PolicyTrail } from './policy/policy-trail.js';
import { PolicyController } from './policy/policy.controller.js';
import { RevocationsController } from './tokens/revocations.controller.js';
import { tokenProviders } from './tokens/token-providers.js';
import { TokensController } from './tokens/tokens.controller.js';
import { Decisions } from './validate/decisions.js';
import { RateLimit } from './validate/rate-limit.js';
import { LocalAccessControl } from './validate/local-access-control.js';
import { ValidateController } from './validate/validate.controller.js';

const SINK_CONNECTIONS = 2;
const INGEST_CONNECTIONS = 4;

/** Global, because the access guard of every route asks it. */
@Global()
@Module({})
class AppModule {
  static forRoot(config: GatekeeperConfig, logger: Logger): DynamicModule {
    const { service } = config;
    const sink = (name: string, connections: number, quarantine: Quarantine) =>
      new PostgresSink(
        createPool(
          service.database.url,
          `gravitas-gatekeeper-${name}`,
          connections,
          (error) => logger.warn({ err: error }, `a connection of the ${name} pool broke`),
          'writes',
        ),
        { onQuarantine: (events) => quarantine.add(events) },
      );
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({ service, logger, entities: [], migrations }),
        AuditModule.forRoot({
          service,
          logger,
          inject: [Quarantine],
          createSink: (quarantine: Quarantine) => sink('audit', SINK_CONNECTIONS, quarantine),
        }),
      ],
      controllers: [
        ValidateController,
        PolicyController,
        TokensController,
        RevocationsController,
        AuditController,
        LogController,
        TilesController,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        ...tokenProviders,
        PolicyArchive,
        PolicyTrail,
        PolicyStore,
        RateLimit,
        Decisions,
        { provide: AccessControl, useClass: LocalAccessControl },
        TrailReader,
        AuditSearch,
        AuditExport,
        AuditTimelines,
        TextTidier,
        Quarantine,
        {
          provide: AuditIngest,
          inject: [Quarantine],
          useFactory: (quarantine: Quarantine) => new AuditIngest(sink('ingest', INGEST_CONNECTIONS, quarantine)),
        },
        MonthKeeper,
        Notary,
        LogReader,
        Proofs,
        WitnessReport,
      ],
      exports: [AccessControl, Quarantine],
    };
  }
}

export const gatekeeper: ServiceDefinition<GatekeeperConfig> = {
  describe: {
    title: 'Gravitas Gatekeeper',
    description: 'Decides what an agent may do, and keeps the audit trail of the whole control plane.',
  },
  loadConfig,
  entities: [],
  migrations,
  prepareDatabase: ({ notaryUrl }, logger) => countOn(notaryUrl, logger),
  module: (config, logger) => AppModule.forRoot(config, logger),
  movedConnections: (config) => config.movedConnections,
};

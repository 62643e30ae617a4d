import { type DynamicModule, Inject, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '#audit';
import { createAuditSink, PeersModule } from '#clients';
import { type ServiceConfig } from '#config';
import { dataSourceOptions, roleOf, type DatabaseOptions } from '#database';
import { HealthModule } from '#health';
import { AccessGuard, AccessSettings, ServiceTokens } from '#http';
import { type Logger } from '#logging';
import { MetricsModule } from '#metrics';
import { LOGGER } from './logger.token.js';
import { serviceTokens } from './service-tokens.provider.js';

export interface ServiceModuleOptions extends Pick<DatabaseOptions, 'entities' | 'migrations'> {
  service: ServiceConfig;
  logger: Logger;
}

@Injectable()
class AuthenticationWarning implements OnModuleInit {
  constructor(
    private readonly settings: AccessSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    if (this.settings.serviceAuthDisabled)
      this.logger.warn('SERVICE_AUTH_DISABLED=true: calls without a token are taken for a service. Development only.');
  }
}

/**
 * What every service but the gatekeeper consists of beside its own features: the service itself, its peers (with access control by
 * way of the gatekeeper), and the audit logger that sends to the gatekeeper.
 */
export function peerServiceModules(options: ServiceModuleOptions): DynamicModule[] {
  const { service, logger } = options;
  return [
    ServiceModule.forRoot(options),
    PeersModule.forRoot(service, logger),
    AuditModule.forRoot({
      service,
      logger,
      inject: [ServiceTokens],
      createSink: (tokens: ServiceTokens) => createAuditSink(service, tokens, logger),
    }),
  ];
}

/** What every service has: database, access guard, health, metrics, logger. Needs a global AccessControl from elsewhere. */
@Module({})
export class ServiceModule {
  static forRoot({ service, logger, entities, migrations }: ServiceModuleOptions): DynamicModule {
    const database = dataSourceOptions({
      service: service.name,
      url: service.database.url,
      runtimeRole: roleOf(service.database.url),
      poolSize: service.database.poolSize,
      migrationsTable: service.database.migrationsTable,
      entities,
      migrations,
    });
    return {
      module: ServiceModule,
      global: true,
      imports: [
        TypeOrmModule.forRoot({ ...database, retryAttempts: 10, retryDelay: 500 }),
        HealthModule.forRoot(service),
        MetricsModule,
      ],
      providers: [
        { provide: LOGGER, useValue: logger },
        serviceTokens(service),
        { provide: AccessSettings, useValue: { serviceAuthDisabled: service.auth.disabled } },
        { provide: APP_GUARD, useClass: AccessGuard },
        AuthenticationWarning,
      ],
      exports: [LOGGER, ServiceTokens],
    };
  }
}

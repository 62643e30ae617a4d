import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import { type ServiceConfig } from '#config';
import { HealthDetails } from '#health';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { meterFor, publishCounts, publishHealth } from './audit-metrics.js';
import { AuditTrail } from './audit-trail.js';
import { AuditLogger, type AuditSink } from './core/index.js';
import { FailModes } from './fail-modes.js';

export interface AuditModuleOptions {
  service: ServiceConfig;
  logger: Logger;
  /** Tokens handed to `createSink`. */
  inject?: (abstract new (...args: never[]) => unknown)[];
  createSink: (...dependencies: never[]) => AuditSink;
}

/** Closes the logger when HTTP is down and every request is answered: Nest calls this hook last. */
class AuditShutdown implements OnApplicationShutdown {
  constructor(
    private readonly logger: AuditLogger,
    private readonly deadlineMs: number,
  ) {}

  onApplicationShutdown(): Promise<void> {
    return this.logger.close(this.deadlineMs);
  }
}

/** The audit logger as a global provider, its numbers in `/metrics` and `/health`, its flush at shutdown. */
@Module({})
export class AuditModule {
  static forRoot({ service, logger: log, inject = [], createSink }: AuditModuleOptions): DynamicModule {
    const { failMode, failModes: rules, fullWaitMs, ...settings } = service.audit;
    const failModes = new FailModes(failMode, rules);
    return {
      module: AuditModule,
      global: true,
      providers: [
        {
          provide: AuditLogger,
          inject: [Metrics, ...inject],
          useFactory: (metrics: Metrics, ...dependencies: never[]) =>
            AuditLogger.open({
              ...settings,
              service: service.name,
              sink: createSink(...dependencies),
              log,
              meter: meterFor(metrics),
            }),
        },
        {
          provide: AuditTrail,
          inject: [AuditLogger, Metrics, HealthDetails],
          useFactory: (logger: AuditLogger, metrics: Metrics, health: HealthDetails) => {
            const trail = new AuditTrail(logger, { failModes, fullWaitMs });
            publishCounts(logger, trail, metrics);
            publishHealth(logger, failModes, health);
            return trail;
          },
        },
        {
          provide: AuditShutdown,
          inject: [AuditLogger],
          useFactory: (logger: AuditLogger) => new AuditShutdown(logger, service.shutdown.auditMs),
        },
      ],
      exports: [AuditLogger, AuditTrail],
    };
  }
}

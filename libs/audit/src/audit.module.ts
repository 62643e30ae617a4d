import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import { type AuditSettings, type ServiceConfig } from '#config';
import { HealthDetails } from '#health';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { AuditTrail } from './audit-trail.js';
import { AuditLogger, FileSpool, type AuditSink } from './core/index.js';

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
  static forRoot({ service, logger, inject = [], createSink }: AuditModuleOptions): DynamicModule {
    return {
      module: AuditModule,
      global: true,
      providers: [
        {
          provide: AuditLogger,
          inject: [Metrics, HealthDetails, ...inject],
          useFactory: async (metrics: Metrics, health: HealthDetails, ...dependencies: never[]) => {
            const audit = createLogger(service.name, service.audit, logger, createSink(...dependencies));
            await audit.open();
            publish(audit, metrics, health);
            return audit;
          },
        },
        {
          provide: AuditTrail,
          inject: [AuditLogger],
          useFactory: (audit: AuditLogger) => new AuditTrail(audit, service.audit.failMode),
        },
        {
          provide: AuditShutdown,
          inject: [AuditLogger],
          useFactory: (audit: AuditLogger) => new AuditShutdown(audit, service.shutdown.auditMs),
        },
      ],
      exports: [AuditLogger, AuditTrail],
    };
  }
}

function createLogger(service: string, settings: AuditSettings, log: Logger, sink: AuditSink): AuditLogger {
  return new AuditLogger({ ...settings, service, sink, log, spool: new FileSpool(settings.spoolDir, log) });
}

function publish(audit: AuditLogger, metrics: Metrics, health: HealthDetails): void {
  health.add('audit', () => ({ healthy: true, ...audit.stats() }));
  for (const name of [
    'accepted',
    'persisted',
    'queued',
    'spooled',
    'dropped',
    'dead_lettered',
    'refused',
    'retries',
  ] as const)
    metrics.gauge(`audit_${name}`, `Audit events ${name.replace('_', ' ')}`, () => audit.stats()[name]);
}

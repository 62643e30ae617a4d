import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { createPool } from '#database';
import { type Logger } from '#logging';
import { peerServiceModules, type ServiceDefinition } from '#service';
import { migrations } from '../migrations/index.js';
import { ReadScope } from './access/read-scope.js';
import { BatchController } from './batch/batch.controller.js';
import { TelemetryWriter } from './batch/telemetry-writer.js';
import { CONFIG, loadConfig, type TelemetryConfig } from './config.js';
import { entities } from './entities.js';
import { EventBuffer } from './events/event-buffer.js';
import { EventsController } from './events/events.controller.js';
import { EventsRepository } from './events/events.repository.js';
import { StatsQuery } from './events/stats.query.js';
import { SummaryQuery } from './usage/summary.query.js';
import { UsageController } from './usage/usage.controller.js';

const WRITE_CONNECTIONS = 4;

@Module({})
class AppModule {
  static forRoot(config: TelemetryConfig, logger: Logger): DynamicModule {
    const { service } = config;
    const pool = () =>
      createPool(
        service.database.url,
        'gravitas-telemetry-write',
        WRITE_CONNECTIONS,
        (error) => logger.warn({ err: error }, 'a connection of the write pool broke'),
        'writes',
      );
    return {
      module: AppModule,
      imports: [...peerServiceModules({ service, logger, entities, migrations }), TypeOrmModule.forFeature(entities)],
      controllers: [EventsController, BatchController, UsageController],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: TelemetryWriter, useFactory: () => new TelemetryWriter(pool()) },
        ReadScope,
        EventBuffer,
        EventsRepository,
        StatsQuery,
        SummaryQuery,
      ],
    };
  }
}

export const telemetry: ServiceDefinition<TelemetryConfig> = {
  describe: {
    title: 'Gravitas Telemetry',
    description: 'What did it cost, and how fast was it? Events and measurements, and the usage of models.',
  },
  loadConfig,
  entities,
  migrations,
  module: (config, logger) => AppModule.forRoot(config, logger),
};

import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { openAiError } from '#http';
import { type Logger } from '#logging';
import { peerServiceModules, type ServiceDefinition } from '#service';
import { migrations } from '../migrations/index.js';
import { ChatRelay } from './chat/chat-relay.js';
import { ChatController } from './chat/chat.controller.js';
import { CONFIG, loadConfig, type LobbyConfig } from './config.js';
import { entities } from './entities.js';
import { HealthStreams } from './health/health-streams.js';
import { SystemHealthController } from './health/system-health.controller.js';
import { SystemHealth } from './health/system-health.js';
import { HistoryKeeper } from './history/history-keeper.js';
import { HistoryScope } from './history/history-scope.js';
import { HistoryController } from './history/history.controller.js';
import { HistoryRepository } from './history/history.repository.js';
import { ModelsController } from './models/models.controller.js';
import { RootController } from './root/root.controller.js';

@Module({})
class AppModule {
  static forRoot(config: LobbyConfig, logger: Logger): DynamicModule {
    const { service } = config;
    return {
      module: AppModule,
      imports: [...peerServiceModules({ service, logger, entities, migrations }), TypeOrmModule.forFeature(entities)],
      controllers: [ChatController, HistoryController, ModelsController, SystemHealthController, RootController],
      providers: [
        { provide: CONFIG, useValue: config },
        ChatRelay,
        HistoryKeeper,
        HistoryScope,
        HistoryRepository,
        SystemHealth,
        HealthStreams,
      ],
    };
  }
}

export const lobby: ServiceDefinition<LobbyConfig> = {
  describe: {
    title: 'Gravitas Lobby',
    description: 'The public door: chat completions with their history, and the health of the whole system.',
  },
  loadConfig,
  entities,
  migrations,
  module: (config, logger) => AppModule.forRoot(config, logger),
  decorateProblem: openAiError,
};

import { type DynamicModule, Module } from '@nestjs/common';
import { openAiError } from '#http';
import { type Logger } from '#logging';
import { peerServiceModules, type ServiceDefinition } from '#service';
import { migrations } from '../migrations/index.js';
import { AgentTokenGuard } from './completions/agent-token.guard.js';
import { CompleteChat } from './completions/complete-chat.js';
import { CompletionsController } from './completions/completions.controller.js';
import { ModelCalls } from './completions/model-calls.js';
import { ModelSessions } from './completions/model-sessions.js';
import { Running } from './completions/running.js';
import { CONFIG, loadConfig, type RouterConfig } from './config.js';
import { DecisionLog } from './decisions/decision-log.js';
import { entities } from './entities.js';
import { Providers } from './providers/providers.js';
import { ModelsController } from './registry/models.controller.js';
import { RegistryStore } from './registry/registry-store.js';
import { RegistryController } from './registry/registry.controller.js';
import { RegistryRepository } from './registry/registry.repository.js';
import { RouterShutdown } from './shutdown.js';
import { UsageReporter } from './usage/usage-reporter.js';

@Module({})
class AppModule {
  static forRoot(config: RouterConfig, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: peerServiceModules({ service: config.service, logger, entities, migrations }),
      controllers: [CompletionsController, ModelsController, RegistryController],
      providers: [
        { provide: CONFIG, useValue: config },
        RegistryRepository,
        RegistryStore,
        Providers,
        Running,
        UsageReporter,
        DecisionLog,
        ModelSessions,
        ModelCalls,
        CompleteChat,
        AgentTokenGuard,
        RouterShutdown,
      ],
    };
  }
}

export const router: ServiceDefinition<RouterConfig> = {
  describe: {
    title: 'Gravitas Router',
    description:
      "Which model answers? OpenAI's API in front of every provider, with permission, certificate and trail.",
  },
  loadConfig,
  entities,
  migrations,
  module: (config, logger) => AppModule.forRoot(config, logger),
  decorateProblem: openAiError,
};

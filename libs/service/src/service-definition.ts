import { type DynamicModule } from '@nestjs/common';
import { type Environment, type ServiceConfig } from '#config';
import { type DatabaseOptions } from '#database';
import { type MovedConnection } from '#decomposition';
import { type ApiDescription, type ProblemDecorator } from '#http';
import { type Logger } from '#logging';

/** A service's configuration: the common part, and whatever else it reads. */
export interface WithService {
  service: ServiceConfig;
}

/** All that sets one service apart; `runService` does the rest. */
export interface ServiceDefinition<C extends WithService> extends Pick<DatabaseOptions, 'entities' | 'migrations'> {
  describe: Pick<ApiDescription, 'title' | 'description'>;
  /** @throws ConfigError */
  loadConfig: (environment: Environment) => C;
  /** What is to be so before anything is written, once the migrations have run. @throws what is to end the start */
  prepareDatabase?: (config: C, logger: Logger) => Promise<void>;
  module: (config: C, logger: Logger) => DynamicModule;
  decorateProblem?: ProblemDecorator;
  /** Where other connections than those of every service lead when it moves to a database of its own. */
  movedConnections?: (config: C) => readonly MovedConnection[];
}

import { NestFactory } from '@nestjs/core';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { isConnectionError, isLoginRefused, migrateAtBoot, roleOf } from '#database';
import { databaseMoving, isFenced, type Participation } from '#decomposition';
import { ServiceError } from '#errors';
import { configureApp, JsonAdapter } from '#http';
import { NestLogger, type Logger } from '#logging';
import { Metrics } from '#metrics';
import { type ServiceDefinition, type WithService } from './service-definition.js';
import { takePart, withPart } from './take-part.js';

/** Brings the database up to date and builds the application, not yet listening. */
export async function createApp<C extends WithService>(
  definition: ServiceDefinition<C>,
  config: C,
  logger: Logger,
): Promise<NestExpressApplication> {
  const { name, database } = config.service;
  const migrated = await migrateAtBoot({
    service: name,
    url: database.migrationUrl,
    migrationsTable: database.migrationsTable,
    runtimeRole: roleOf(database.url),
    entities: definition.entities,
    migrations: definition.migrations,
    log: (message) => logger.info(message),
  });
  if (migrated.length > 0) logger.info({ migrations: migrated }, 'database migrated');
  await definition.prepareDatabase?.(config, logger);

  const participation = await takePart(config.service, definition.movedConnections?.(config) ?? [], logger);
  try {
    return await build(definition, config, logger, participation);
  } catch (error) {
    await participation?.close();
    throw error;
  }
}

async function build<C extends WithService>(
  definition: ServiceDefinition<C>,
  config: C,
  logger: Logger,
  participation: Participation | undefined,
): Promise<NestExpressApplication> {
  const root = withPart(definition.module(config, logger), participation);
  const app = await NestFactory.create<NestExpressApplication>(root, new JsonAdapter(), {
    bodyParser: false,
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  const metrics = app.get(Metrics);
  configureApp(app, {
    ...definition.describe,
    version: config.service.version,
    logger,
    decorateProblem: definition.decorateProblem,
    translateError: databaseTrouble,
    observe: (...request) => metrics.observeRequest(...request),
  });
  return app;
}

function databaseTrouble(error: unknown): ServiceError | undefined {
  return isFenced(error) ? databaseMoving(error) : databaseOutage(error);
}

function databaseOutage(error: unknown): ServiceError | undefined {
  if (!isConnectionError(error) && !isLoginRefused(error)) return undefined;
  return new ServiceError('unavailable', 'database_unavailable', 'The database does not answer', {
    cause: error,
    retryAfter: 1,
  });
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { type ServiceName } from '#contracts';
import { findFreePort } from '#embedded-postgres';
import { createLogger } from '#logging';
import { createApp, type ServiceDefinition, type WithService } from '#service';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { TEST_JWT_SECRET, TEST_SERVICE_KEY } from './tokens.js';

export interface TestService {
  app: NestExpressApplication;
  /** `http://127.0.0.1:<port>` */
  url: string;
  database: TestDatabase;
  /** The environment it was started with: hand it to `startService` again for a second instance or a restart. */
  environment: Record<string, string>;
  /** Stops the service; the database stays. */
  stop: () => Promise<void>;
  /** Stops the service, drops its database and removes its home. */
  close: () => Promise<void>;
}

export interface TestServiceOptions {
  /** Further settings, such as a peer's URL. */
  environment?: Record<string, string>;
  /** A database to use again; a new one otherwise. */
  database?: TestDatabase;
}

/** Runs one service in this process on a free port, against a real database of its own. */
export async function startService<C extends WithService>(
  name: ServiceName,
  definition: ServiceDefinition<C>,
  options: TestServiceOptions = {},
): Promise<TestService> {
  const database = options.database ?? (await createTestDatabase(name));
  const home = options.environment?.GRAVITAS_HOME ?? (await mkdtemp(join(tmpdir(), `gravitas-${name}-`)));
  const prefix = name.toUpperCase();
  const environment = {
    [`${prefix}_DATABASE_URL`]: database.runtimeUrl,
    [`${prefix}_MIGRATION_URL`]: database.ownerUrl,
    ...(database.readerUrl && { [`${prefix}_READER_URL`]: database.readerUrl }),
    ...(database.notaryUrl && { [`${prefix}_NOTARY_URL`]: database.notaryUrl }),
    [`${prefix}_PORT`]: String(await findFreePort()),
    GRAVITAS_HOME: home,
    SERVICE_KEY: TEST_SERVICE_KEY,
    JWT_SECRET_KEY: TEST_JWT_SECRET,
    LOG_LEVEL: 'silent',
    // A peer that is not there must not hold up the end of a suite.
    SHUTDOWN_TIMEOUT_MS: '1000',
    ...options.environment,
  };
  const config = definition.loadConfig(environment);
  const logger = createLogger({ service: name, ...config.service.log });
  const app = await createApp(definition, config, logger);
  await app.listen(config.service.http.port, config.service.http.host);
  const url = config.service.peers[name];
  const stop = () => app.close();
  return {
    app,
    url,
    database,
    environment,
    stop,
    close: async () => {
      await stop();
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

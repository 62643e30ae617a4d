import { setFlagsFromString } from 'node:v8';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { ConfigError, type ServiceConfig } from '#config';
import { DatabaseNewerError, MigrationFailedError } from '#database';
import { errorMessage } from '#errors';
import { createLogger, type Logger } from '#logging';
import { createApp } from './create-app.js';
import { type ServiceDefinition, type WithService } from './service-definition.js';

/** sysexits.h EX_CONFIG: starting again without a change will not help. */
const EXIT_CONFIG = 78;
const CLOSE_IDLE_EVERY_MS = 50;
const KEEP_ALIVE_MS = 65_000;

/**
 * Runs one service as this process: configuration, migrations, HTTP, and a shutdown that answers what was asked and flushes what was
 * recorded. Exits 0 after SIGTERM, SIGINT or the loss of a parent that started it with an IPC channel; 78 when its configuration or
 * its schema is wrong; 1 on anything else.
 */
export async function runService<C extends WithService>(definition: ServiceDefinition<C>): Promise<void> {
  letWhatWaitsStayYoung();
  let config: C;
  try {
    config = definition.loadConfig(process.env);
  } catch (error) {
    process.stderr.write(`${error instanceof ConfigError ? error.message : errorMessage(error)}\n`);
    process.exit(EXIT_CONFIG);
  }
  const { service } = config;
  const logger = createLogger({ service: service.name, ...service.log });
  process.on('uncaughtException', (error) => fail(logger, error, 'uncaught exception'));

  const signal = shutdownSignal();
  // Until it listens nothing was accepted, so there is nothing to finish.
  let exitAtOnce = true;
  signal.then(
    () => exitAtOnce && process.exit(0),
    () => undefined,
  );
  try {
    const app = await createApp(definition, config, logger);
    // Longer than what load balancers keep idle connections for, so that it is never this side that closes one under a request.
    app.getHttpServer().keepAliveTimeout = KEEP_ALIVE_MS;
    await app.listen(service.http.port, service.http.host);
    exitAtOnce = false;
    logger.info({ host: service.http.host, port: service.http.port }, `${service.name} is listening`);
    process.send?.({ type: 'ready', url: service.peers[service.name] });
    logger.info({ reason: await signal }, `${service.name} is shutting down`);
    await shutDown(app, service.shutdown, logger);
  } catch (error) {
    fail(logger, error, `${service.name} cannot start: ${errorMessage(error)}`);
  }
}

/**
 * V8 notes which of the places that make objects make long-lived ones, and from then on makes those old at once ("pretenuring"); all that
 * hangs on them stays until a full collection. Audit events wait a tenth of a second for the sink, which passes for long: each of
 * them would be old, and the full collections that take them away hold requests up for a tenth of a second every few seconds.
 */
function letWhatWaitsStayYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}

/** Resolves with what asks this process to end. Later signals are the same request: they change nothing. */
function shutdownSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => resolve(name));
    process.once('disconnect', () => resolve('the parent process is gone'));
  });
}

async function shutDown(
  app: NestExpressApplication,
  { drainMs, totalMs }: ServiceConfig['shutdown'],
  logger: Logger,
): Promise<void> {
  const server = app.getHttpServer();
  // A connection that was busy when the server closed is only idle later; without this it would hold the server for a minute.
  const idle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
  const drain = setTimeout(() => {
    logger.warn({ drainMs }, 'requests are still open at the shutdown deadline; ending them');
    server.closeAllConnections();
  }, drainMs);
  setTimeout(() => fail(logger, undefined, `not stopped after ${totalMs} ms; ending anyway`), totalMs).unref();
  server.once('close', () => {
    clearInterval(idle);
    clearTimeout(drain);
  });
  await app.close();
  logger.info('stopped');
  logger.flush(() => process.exit(0));
}

function fail(logger: Logger, error: unknown, message: string): never {
  logger.fatal({ err: error }, message);
  const configuration =
    error instanceof ConfigError || error instanceof MigrationFailedError || error instanceof DatabaseNewerError;
  process.exit(configuration ? EXIT_CONFIG : 1);
}

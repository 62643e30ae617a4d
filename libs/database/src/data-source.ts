import pg from 'pg';
import { type DataSourceOptions, type EntitySchema, type Logger } from 'typeorm';
import { routeOf, type ConnectionRoute } from './connection-routes.js';
import { PooledClient } from './pooled-client.js';

type Class = abstract new (...args: never[]) => unknown;

export interface DatabaseOptions {
  /** Shown as application_name in pg_stat_activity. */
  service: string;
  url: string;
  /** The role that the service runs as; migrations grant it its rights. */
  runtimeRole: string;
  entities: readonly (Class | EntitySchema)[];
  migrations: readonly Class[];
  poolSize?: number;
  /** Where it is written down which migrations were run; services that share a database need one each. Default `migrations`. */
  migrationsTable?: string | undefined;
}

export const MIGRATIONS_TABLE = 'migrations';
const CONNECT_TIMEOUT_MS = 5000;
const QUERY_TIMEOUT_MS = 30_000;

const SILENT: Logger = {
  log: () => undefined,
  logMigration: () => undefined,
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
};

/**
 * TypeORM's options for one service's database. The schema only ever changes by migration, each in a transaction of its own.
 * No startup parameters and no named statements, so that the pool also works through PgBouncer in transaction mode.
 */
export function dataSourceOptions(options: DatabaseOptions): DataSourceOptions {
  const route = routeOf(options.url);
  return {
    type: 'postgres',
    url: options.url,
    applicationName: `gravitas-${options.service}`,
    entities: [...options.entities] as never,
    migrations: [...options.migrations] as never,
    migrationsTableName: options.migrationsTable ?? MIGRATIONS_TABLE,
    migrationsTransactionMode: 'each',
    migrationsRun: false,
    synchronize: false,
    installExtensions: false,
    // Errors are thrown; what TypeORM would print besides does not fit a log of JSON lines.
    logger: SILENT,
    poolSize: options.poolSize ?? 10,
    ...(route && { driver: routedDriver(route) }),
    extra: {
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
      Client: PooledClient,
      runtimeRole: options.runtimeRole,
    },
  };
}

/** pg as TypeORM uses it: it makes its pool with `new driver.Pool(config)`, and asks for nothing else. */
function routedDriver(route: ConnectionRoute): object {
  class RoutedPool {
    constructor(config: pg.PoolConfig) {
      return route.createPool(config, 'any');
    }
  }
  return { ...pg, Pool: RoutedPool };
}

/** The role in a connection URL. */
export function roleOf(url: string): string {
  return decodeURIComponent(new URL(url).username);
}

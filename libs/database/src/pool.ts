import pg from 'pg';
import { routeOf, type PoolUse } from './connection-routes.js';
import { PooledClient } from './pooled-client.js';

/**
 * A small pool of its own for what must not queue behind ordinary queries, such as COPY.
 *
 * @param onError told of connections that break while idle; without it such an error would end the process
 */
export function createPool(
  url: string,
  applicationName: string,
  max: number,
  onError: (error: Error) => void,
  use: PoolUse = 'any',
): pg.Pool {
  const config: pg.PoolConfig = {
    connectionString: url,
    application_name: applicationName,
    max,
    connectionTimeoutMillis: 5000,
    query_timeout: 60_000,
    keepAlive: true,
    Client: PooledClient,
  };
  const pool = routeOf(url)?.createPool(config, use) ?? new pg.Pool(config);
  pool.on('error', onError);
  return pool;
}

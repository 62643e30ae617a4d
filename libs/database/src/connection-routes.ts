import type pg from 'pg';

/**
 * What a pool is for: `writes` is always a writer's, whoever happens to be asking; with `any` the one who asks decides, at each checkout.
 */
export type PoolUse = 'any' | 'writes';

/** Decides where connections lead that are asked for by one URL. */
export interface ConnectionRoute {
  /** In place of `new pg.Pool(config)`. */
  createPool(config: pg.PoolConfig, use: PoolUse): pg.Pool;
  /** In place of a client that is made and connected. It may be ended at any time, as when PostgreSQL restarts. */
  openSession(config: pg.ClientConfig, signal?: AbortSignal): Promise<pg.Client>;
}

const routes = new Map<string, ConnectionRoute>();

/**
 * From now on this process' pools and sessions for `url` are made by `route`; those that are there already stay as they are. Without a
 * route a URL leads to where it says.
 *
 * @returns takes the route away again
 * @throws Error when the URL has a route
 */
export function routeConnections(url: string, route: ConnectionRoute): () => void {
  if (routes.has(url)) throw new Error('connections to this URL have a route already');
  routes.set(url, route);
  return () => {
    if (routes.get(url) === route) routes.delete(url);
  };
}

/** Undefined, as nearly always: the URL leads to where it says. */
export function routeOf(url: string | undefined): ConnectionRoute | undefined {
  return url === undefined ? undefined : routes.get(url);
}

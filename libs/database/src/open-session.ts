import pg from 'pg';
import { routeOf } from './connection-routes.js';

/**
 * A connection of its own for what is bound to a session and held for long: LISTEN, advisory locks. Whoever holds it must be ready to lose
 * it at any time, and to open another; a loss while idle is told by its `end` event and by the next query, and ends no process.
 *
 * @param signal gives up while it connects
 * @throws what pg throws when there is no connection, and the signal's reason when it was aborted
 */
export async function openSession(config: pg.ClientConfig, signal?: AbortSignal): Promise<pg.Client> {
  const route = routeOf(config.connectionString);
  return route ? route.openSession(config, signal) : connectSession(config, signal);
}

/** The same, wherever routes lead. */
export async function connectSession(config: pg.ClientConfig, signal?: AbortSignal): Promise<pg.Client> {
  signal?.throwIfAborted();
  const client = new pg.Client(config);
  client.on('error', () => undefined);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(signal?.reason as Error);
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    // A client that is ended while it connects may leave the promise of its connection open for ever.
    await Promise.race([client.connect(), aborted]);
    return client;
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

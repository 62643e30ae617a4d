import type pg from 'pg';
import { isPermanentError } from './permanent-errors.js';

/**
 * Lends a pool's connection to `work`. A connection that breaks meanwhile makes `work` fail and is not given back; without a listener
 * of its own, a borrowed connection's error would end the process.
 */
export async function withConnection<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken ??= error;
  };
  client.on('error', onError);
  try {
    return await work(client);
  } catch (error) {
    // Data that was refused says nothing against the connection; anything else might.
    if (!isPermanentError(error)) broken ??= error as Error;
    throw error;
  } finally {
    client.release(broken);
    client.off('error', onError);
  }
}

import type pg from 'pg';

/** One transaction on a connection of the pool, which is given up when it breaks. */
export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // A server that goes away tells the query, and the connection; without a listener the process would end.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let broken = false;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Its locks are gone when this is answered; a connection that is only closed may keep them for a moment.
    await client.query('ROLLBACK').catch(() => (broken = true));
    throw error;
  } finally {
    client.release(broken);
    client.off('error', ignore);
  }
}

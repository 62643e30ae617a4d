import { SplitError } from '../errors.js';
import { type Move } from '../move.js';

/**
 * One `create` of a service at a time. The lock is kept on the source, because the target may not be there yet; PostgreSQL takes it back
 * when the connection ends, however that comes about.
 *
 * @throws SplitError `busy`
 */
export async function withTurn<T>(move: Move, work: () => Promise<T>): Promise<T> {
  const client = await move.databases.source.connect();
  const onError = (): void => undefined;
  client.on('error', onError);
  try {
    const { rows } = await client.query<{ mine: boolean }>(
      'SELECT pg_try_advisory_lock(hashtext($1), hashtext($2)) AS mine',
      ['gravitas split create', move.service.name],
    );
    if (!rows[0]!.mine)
      throw new SplitError('busy', `Another run creates ${move.service.name}.`, 'Wait until it is done, or end it.');
    return await work();
  } finally {
    client.release(true);
    client.off('error', onError);
  }
}

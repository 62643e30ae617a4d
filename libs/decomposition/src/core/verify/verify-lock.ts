import { type Move } from '../move.js';
import { SplitError } from '../errors.js';

/** One verification of a move at a time. Ends with the connection, so also with the process. @throws SplitError `busy` */
export async function withVerifyLock<T>(move: Move, work: () => Promise<T>): Promise<T> {
  const client = await move.databases.target.connect();
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      `SELECT pg_try_advisory_lock(hashtext('decomposition.verify'), hashtext($1)) AS locked`,
      [move.service.name],
    );
    if (!rows[0]?.locked)
      throw new SplitError(
        'busy',
        `Another run verifies ${move.service.name}.`,
        'Wait for it to end, or end it, and run the verb again.',
      );
    return await work();
  } finally {
    // Closing the session is what gives the lock back.
    client.release(true);
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { type Move } from '../move.js';
import { SplitError } from '../errors.js';

const ATTEMPTS = 3;
/** A run that was killed is gone from the server a moment later. */
const ATTEMPT_MS = 150;

/** One verification of a move at a time. Ends with the connection, so also with the process. @throws SplitError `busy` */
export async function withVerifyLock<T>(move: Move, work: () => Promise<T>): Promise<T> {
  const client = await move.databases.target.connect();
  const ask = async (what: string): Promise<boolean> => {
    const { rows } = await client.query<{ done: boolean }>(
      `SELECT ${what}(hashtext('decomposition.verify'), hashtext($1)) AS done`,
      [move.service.name],
    );
    return rows[0]!.done;
  };
  let locked = false;
  try {
    for (let attempt = 1; !(await ask('pg_try_advisory_lock')); attempt++) {
      if (attempt === ATTEMPTS)
        throw new SplitError(
          'busy',
          `Another run verifies ${move.service.name}.`,
          'Wait for it to end, or end it, and run the verb again.',
        );
      await sleep(ATTEMPT_MS, undefined, { signal: move.signal });
    }
    locked = true;
    return await work();
  } finally {
    // A session that does not say that it gave it back is closed, which does.
    const given = locked && (await ask('pg_advisory_unlock').catch(() => false));
    client.release(locked && !given);
  }
}

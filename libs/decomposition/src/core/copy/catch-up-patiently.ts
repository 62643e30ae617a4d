import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type Stream } from '../stream/stream.js';

const ATTEMPT_MS = 60_000;
/** For as long the stream may not come any closer: a large transaction, or an index being made, holds it up. */
const STALL_MS = 15 * 60_000;

/**
 * Waits until the stream is less than a minute behind and has brought over everything up to then, however long that takes, as long as it
 * comes closer.
 *
 * @throws SplitError `timeout` when it does not
 */
export async function catchUpPatiently(move: Move, stream: Stream): Promise<void> {
  let least = Infinity;
  let since = Date.now();
  for (;;) {
    try {
      return await stream.catchUp(ATTEMPT_MS, move.signal);
    } catch (error) {
      if (!(error instanceof SplitError) || error.code !== 'timeout') throw error;
      const { pending, pendingUnit } = await stream.lag();
      if (pending < least) [least, since] = [pending, Date.now()];
      if (Date.now() - since > STALL_MS) throw error;
      move.progress.note(`The target is behind by ${pending} ${pendingUnit}.`);
    }
  }
}

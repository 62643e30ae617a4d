import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type Stream } from '../stream/stream.js';
import { catchUpPatiently } from './catch-up-patiently.js';

/** A foreign key that leads nowhere, a value that is there twice. */
const VIOLATIONS = new Set(['23503', '23505']);
/** For what only looks broken: each attempt is of another moment. */
const PATIENCE_MS = 10_000;
const MIN_ATTEMPTS = 5;

/**
 * Makes the constraints on a side that is written to. A stream that carries rows over one by one may have a row there before the one that
 * it refers to: that passes, and what is wrong on the other side, too, does not.
 *
 * @throws SplitError what `finish` throws, when it does not pass
 */
export async function finishInStep(move: Move, stream: Stream, finish: (move: Move) => Promise<void>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await finish(move);
    } catch (error) {
      if (!isViolation(error) || (attempt >= MIN_ATTEMPTS && Date.now() > deadline)) throw error;
      await catchUpPatiently(move, stream);
    }
  }
}

function isViolation(error: unknown): boolean {
  return error instanceof SplitError && VIOLATIONS.has((error.cause as { code?: string } | undefined)?.code ?? '');
}

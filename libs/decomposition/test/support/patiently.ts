import { setTimeout as sleep } from 'node:timers/promises';
import { SplitError } from '../../src/core/errors.js';

/** Who takes part, and the stream, have a second or two: on a machine that stands still for longer these gates rightly say to wait. */
const LATE = /^`[a-z-]+` of \w+ is refused: (?:(?:lag|participants) \([^)]*\)(?:; |\.$))+$/;

/** Does it, and again for as long as nothing but such a gate is in the way. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 30_000; ; await sleep(200))
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SplitError && LATE.test(error.message)) || Date.now() > deadline) throw error;
    }
}

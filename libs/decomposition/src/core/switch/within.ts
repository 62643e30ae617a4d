import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { interrupted } from '../wait-until.js';

/**
 * Gives `work` a move whose signal ends in time, and goes on then even when `work` does not: only for what may safely end later.
 *
 * @throws SplitError `timeout`, `interrupted`
 */
export async function within<T>(
  move: Move,
  timeoutMs: number,
  what: string,
  work: (move: Move) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  // What is waited for keeps the process alive, and not the clock.
  const timer = setTimeout(() => late.abort(), Math.max(0, timeoutMs)).unref();
  const signal = AbortSignal.any([move.signal, late.signal]);
  const ended = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () =>
      reject(late.signal.aborted ? new SplitError('timeout', `${what} took longer than it had.`) : interrupted()),
    );
    if (signal.aborted) reject(interrupted());
  });
  ended.catch(() => undefined);
  const working = work({ ...move, signal });
  working.catch(() => undefined);
  try {
    return await Promise.race([working, ended]);
  } finally {
    clearTimeout(timer);
  }
}

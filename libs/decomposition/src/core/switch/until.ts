import { setTimeout as sleep } from 'node:timers/promises';
import { SplitError } from '../errors.js';
import { type Move } from '../move.js';

/** The run was told to stop. */
export function interrupted(cause?: unknown): SplitError {
  return new SplitError('interrupted', 'The run was told to stop.', 'Run it again: it goes on from there.', { cause });
}

/**
 * Asks until the answer is not undefined, or the time is over.
 *
 * @returns undefined when it was not in time
 * @throws SplitError `interrupted`
 */
export async function until<T>(
  read: () => Promise<T | undefined>,
  { timeoutMs, everyMs = 20, signal }: { timeoutMs: number; everyMs?: number; signal: AbortSignal },
): Promise<T | undefined> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (signal.aborted) throw interrupted(signal.reason);
    const value = await read();
    if (value !== undefined || Date.now() >= deadline) return value;
    await sleep(everyMs);
  }
}

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
  const timer = setTimeout(() => late.abort(), Math.max(0, timeoutMs));
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

import { setTimeout as sleep } from 'node:timers/promises';
import { SplitError } from './errors.js';

type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>;

export interface UntilOptions {
  timeoutMs: number;
  signal: AbortSignal;
  /** Between two questions; grows to ten times as much while nothing happens. Milliseconds, default 10. */
  everyMs?: number;
}

export interface WaitOptions extends UntilOptions {
  /** What is waited for, as in "waited 100 ms in vain for ...". A function is asked when it did not come. */
  what: string | (() => Promise<string>);
  /** The next step, as a sentence. */
  next?: string;
}

/**
 * Asks until the answer is truthy, or the time is over.
 *
 * @returns undefined when it was not in time
 * @throws SplitError `interrupted` when the signal was aborted; what `read` throws
 */
export async function until<T>(
  read: () => Promise<T>,
  { timeoutMs, signal, everyMs = 10 }: UntilOptions,
): Promise<Truthy<T> | undefined> {
  const begin = Date.now();
  for (let asked = 0; ; asked += 1) {
    throwIfStopped(signal);
    const value = await read();
    if (value) return value as Truthy<T>;
    if (Date.now() - begin > timeoutMs) return undefined;
    await sleep(Math.min(everyMs * (1 + Math.floor(asked / 20)), everyMs * 10), undefined, { signal }).catch(
      () => undefined,
    );
  }
}

/**
 * Asks until the answer is truthy.
 *
 * @throws SplitError `timeout`, or `interrupted` when the signal was aborted; what `read` throws
 */
export async function waitUntil<T>(
  read: () => Promise<T>,
  { what, next, ...options }: WaitOptions,
): Promise<Truthy<T>> {
  const value = await until(read, options);
  if (value) return value;
  const text = typeof what === 'string' ? what : await what();
  throw new SplitError('timeout', `Waited ${options.timeoutMs} ms in vain for ${text}.`, next);
}

/** The run was told to stop. */
export function interrupted(cause?: unknown): SplitError {
  return new SplitError('interrupted', 'The run was told to stop.', 'Run it again: it goes on from there.', { cause });
}

/** @throws SplitError `interrupted` */
export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted(signal.reason);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { SplitError } from './errors.js';

type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>;

export interface WaitOptions {
  /** What is waited for, as in "waited 100 ms in vain for ...". A function is asked when it did not come. */
  what: string | (() => Promise<string>);
  /** The next step, as a sentence. */
  next?: string;
  timeoutMs: number;
  signal: AbortSignal;
  /** Between two questions; grows to ten times as much while nothing happens. */
  everyMs?: number;
}

/**
 * Asks until the answer is truthy.
 *
 * @throws SplitError `timeout`, or `interrupted` when the signal was aborted; what `read` throws
 */
export async function waitUntil<T>(read: () => Promise<T>, options: WaitOptions): Promise<Truthy<T>> {
  const { what, next, timeoutMs, signal, everyMs = 10 } = options;
  const begin = Date.now();
  for (let asked = 0; ; asked += 1) {
    throwIfStopped(signal);
    const value = await read();
    if (value) return value as Truthy<T>;
    if (Date.now() - begin > timeoutMs) {
      const text = typeof what === 'string' ? what : await what();
      throw new SplitError('timeout', `Waited ${timeoutMs} ms in vain for ${text}.`, next);
    }
    await sleep(Math.min(everyMs * (1 + Math.floor(asked / 20)), everyMs * 10), undefined, { signal }).catch(
      () => undefined,
    );
  }
}

/** @throws SplitError `interrupted` */
export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new SplitError('interrupted', 'Told to stop.', 'Run it again: it goes on from here.');
}

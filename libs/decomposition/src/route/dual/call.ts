import type pg from 'pg';

type Callback = (error: Error | null, result?: pg.QueryResult) => void;

/** One call of `client.query`, in whichever of pg's forms it came. */
export interface Call {
  /** As the authoritative side gets it. */
  config: pg.QueryConfig;
  callback: Callback | undefined;
}

/** Parts that pg knows and its types do not. */
interface Given extends pg.QueryConfig {
  callback?: Callback;
}

export function isSubmittable(value: unknown): value is pg.Submittable {
  return typeof (value as pg.Submittable | null)?.submit === 'function';
}

/** `query(text)`, `query(text, values)`, `query(config)`, `query(config, values)`, each with a callback after it or without. */
export function callOf(args: readonly unknown[]): Call {
  const [first, second] = args;
  const { callback: inside, ...given } = (typeof first === 'string' ? { text: first } : (first ?? {})) as Given;
  const last = args.findLast((arg) => typeof arg === 'function') as Callback | undefined;
  const config = Array.isArray(second) ? { ...given, values: second as unknown[] } : given;
  return { config, callback: last ?? inside };
}

export function calling(text: string): Call {
  return { config: { text }, callback: undefined };
}

/** Hands a promise's outcome to a callback, outside of the promise: what the callback throws is its caller's own, as with pg. */
export function settle(outcome: Promise<pg.QueryResult>, callback: Callback): void {
  outcome.then(
    (result) => process.nextTick(callback, null, result),
    (error: Error) => process.nextTick(callback, error),
  );
}

import { z } from 'zod';

const count = z.number().nonnegative().default(0);
/** In ms; what is beyond the last is counted in one place more. */
export const LATENCY_BOUNDS: readonly number[] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

/**
 * What a participant counted since it started, as it reports it in `decomposition.instances.stats`. What it leaves out is taken for
 * zero, what is not known here is passed by: participants of an older or newer release are watched, too.
 */
export const instanceStats = z.object({
  requests: count,
  errors: count,
  /** How many requests took at most `le[i]` ms and more than the bound before; the last of `count` is beyond the last bound. */
  latency_ms: z
    .object({ le: z.array(z.number()), count: z.array(z.number().nonnegative()) })
    .default({ le: [], count: [] }),
  shadow: z.object({ compared: count, different: count }).prefault({}),
  /** At the moment of the report. */
  pool: z.object({ used: count, size: count }).prefault({}),
});

export type InstanceStats = z.output<typeof instanceStats>;

/** What of it only grows while the instance lives, in one row: requests, errors, compared, different, then latencies by bound. */
export type Counters = readonly number[];

const FIXED = 4;
export const NOTHING: Counters = Array.from({ length: FIXED + LATENCY_BOUNDS.length + 1 }, () => 0);

export function countersOf({ requests, errors, latency_ms: { le, count: counts }, shadow }: InstanceStats): Counters {
  const counters = [requests, errors, shadow.compared, shadow.different, ...NOTHING.slice(FIXED)];
  counts.forEach((value, i) => {
    const bound = LATENCY_BOUNDS.findIndex((one) => one >= (le[i] ?? Infinity));
    counters[FIXED + (bound < 0 ? LATENCY_BOUNDS.length : bound)]! += value;
  });
  return counters;
}

export function plus(a: Counters, b: Counters): Counters {
  return a.map((value, i) => value + b[i]!);
}

/** @returns undefined when one is lower than before: whatever counted it has begun anew */
export function since(before: Counters, now: Counters): Counters | undefined {
  const grown = now.map((value, i) => value - before[i]!);
  return grown.every((value) => value >= 0) ? grown : undefined;
}

export interface Traffic {
  requests: number;
  errors: number;
  compared: number;
  different: number;
  /** By bound, and beyond the last. */
  latencies: readonly number[];
}

export function trafficOf([requests, errors, compared, different, ...latencies]: Counters): Traffic {
  return { requests: requests!, errors: errors!, compared: compared!, different: different!, latencies };
}

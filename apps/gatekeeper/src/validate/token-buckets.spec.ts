import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TokenBuckets } from './token-buckets.js';

const WINDOW_MS = 60_000;

function buckets(rate: number, burst: number, maxBuckets = 100) {
  const clock = { now: 0 };
  return { clock, limiter: new TokenBuckets({ rate, burst, maxBuckets, windowMs: WINDOW_MS, now: () => clock.now }) };
}

describe('token buckets', () => {
  it('let a burst through, then as many as come back', () => {
    const { clock, limiter } = buckets(10, 3);
    expect([1, 2, 3].map(() => limiter.take('a'))).toEqual([undefined, undefined, undefined]);
    expect(limiter.take('a')).toMatchObject({ retryAfter: 0.1 });
    clock.now += 100;
    expect(limiter.take('a')).toBeUndefined();
    expect(limiter.take('a')).toBeDefined();
    clock.now += 3_600_000;
    expect([1, 2, 3].map(() => limiter.take('a'))).toEqual([undefined, undefined, undefined]);
    expect(limiter.take('a')).toBeDefined();
  });

  it('of one key have nothing to do with those of another', () => {
    const { limiter } = buckets(1, 1);
    expect(limiter.take('a')).toBeUndefined();
    expect(limiter.take('b')).toBeUndefined();
    expect(limiter.take('a')).toBeDefined();
  });

  it('tell the first refusal of a window from the others, and how many those were', () => {
    const { clock, limiter } = buckets(1, 1);
    limiter.take('a');
    expect(limiter.take('a')).toMatchObject({ first: true, refusedBefore: 0 });
    for (let i = 0; i < 7; i++) expect(limiter.take('a')).toMatchObject({ first: false });
    clock.now += WINDOW_MS;
    expect(limiter.take('a')).toBeUndefined();
    expect(limiter.take('a')).toMatchObject({ first: true, refusedBefore: 7 });
    expect(limiter.take('a')).toMatchObject({ first: false });
  });

  it('are bounded in number', () => {
    const { limiter } = buckets(1, 1, 10);
    for (let i = 0; i < 1000; i++) limiter.take(`key ${i}`);
    expect(limiter.size).toBe(10);
  });

  it('never let more through than burst and rate allow', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 300 }),
        (rate, burst, pauses) => {
          const { clock, limiter } = buckets(rate, burst);
          let passed = 0;
          for (const pause of pauses) {
            clock.now += pause;
            if (limiter.take('a') === undefined) passed++;
            expect(passed).toBeLessThanOrEqual(burst + (clock.now / 1000) * rate + 1e-6);
          }
        },
      ),
    );
  });
});

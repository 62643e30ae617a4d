import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { FreshCache } from './fresh-cache.js';

const MAX_AGE_MS = 1000;

type Step =
  | { kind: 'wait'; ms: number }
  | { kind: 'change'; hinted: boolean }
  | { kind: 'ask'; key: string }
  | { kind: 'answer'; index: number };

const key = fc.constantFrom('a', 'b', 'c');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 700 }) }),
  fc.record({ kind: fc.constant('change' as const), hinted: fc.boolean() }),
  fc.record({ kind: fc.constant('ask' as const), key }),
  fc.record({ kind: fc.constant('answer' as const), index: fc.nat(5) }),
);

describe('a fresh cache, whatever happens in whatever order', () => {
  it('keeps nothing that was not true less than its age ago, or that was read before a hint, and never too much', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let now = 0;
        /** Grows with each change; what is read is the version at the time. */
        let version = 0;
        const endOf: number[] = [];
        let hintedVersion = 0;
        const open: (() => void)[] = [];
        const cache = new FreshCache<number>({
          read: () => {
            const seen = version;
            return new Promise((resolve) => open.push(() => resolve(seen)));
          },
          keeps: () => true,
          maxEntries: 2,
          maxAgeMs: MAX_AGE_MS,
          elapsed: () => now,
        });
        const check = (): void => {
          if (cache.size > 2) throw new Error('too many entries');
          for (const each of ['a', 'b', 'c']) {
            const kept = cache.peek(each);
            if (kept === undefined || kept === version) continue;
            if (kept < hintedVersion) throw new Error('it was read before the hint');
            if (now - endOf[kept]! >= MAX_AGE_MS)
              throw new Error('it was not true for as long as an answer may be old');
          }
        };
        for (const each of steps) {
          if (each.kind === 'wait') now += each.ms;
          if (each.kind === 'change') {
            endOf[version++] = now;
            if (each.hinted) {
              hintedVersion = version;
              cache.forget();
            }
          }
          if (each.kind === 'ask') cache.read(each.key).catch(() => undefined);
          if (each.kind === 'answer' && open.length > 0) {
            open.splice(each.index % open.length, 1)[0]!();
            await Promise.resolve();
            await Promise.resolve();
          }
          check();
        }
      }),
      { numRuns: 500 },
    );
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EventClock } from './event-clock.js';

/** The same, the straightforward way: microseconds as whole numbers, and a text made from the start each time. */
class PlainClock {
  private last = 0n;

  next(now: number): string {
    const reading = BigInt(now) * 1000n;
    const follow = reading > this.last || reading < this.last - 1_000_000n;
    this.last = follow ? reading : this.last + 1n;
    const milliseconds = new Date(Number(this.last / 1000n)).toISOString();
    const microseconds = this.last % 1000n;
    return `${milliseconds.slice(0, -1)}${String(microseconds).padStart(3, '0')}Z`;
  }
}

/** From 1970 to the end of the year 9999. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 58);
/** A clock that stands still, creeps, slips, leaps, or is set back: each reading, and how often it is read. */
const readings = fc
  .tuple(
    fc.oneof(fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2027, 0) }), fc.integer({ min: 0, max: LATEST })),
    fc.array(
      fc.record({
        step: fc.oneof(
          fc.integer({ min: 0, max: 3 }),
          fc.integer({ min: -1002, max: 1002 }),
          fc.constantFrom(-1001, -1000, -999, 999, 1000, 1001, 60_000, 86_400_000),
          fc.integer({ min: -1e12, max: 1e12 }),
        ),
        times: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(999, 1000, 1001, 2500)),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  )
  .map(([start, steps]) => {
    let at = start;
    return steps.flatMap(({ step, times }) => {
      at = Math.min(Math.max(at + step, 0), LATEST);
      return Array.from<number>({ length: times }).fill(at);
    });
  });

describe('EventClock', () => {
  it('tells the time of the system', () => {
    const before = Date.now();
    const told = Date.parse(new EventClock().next());
    expect(told).toBeGreaterThanOrEqual(before);
    expect(told).toBeLessThanOrEqual(Date.now());
  });

  it('never tells the same time twice, nor an earlier one, while the system’s stands still', () => {
    const clock = new EventClock(() => Date.UTC(2026, 10, 20));
    const times = Array.from({ length: 2500 }, () => clock.next());
    expect(times.slice(0, 2)).toEqual(['2026-11-20T00:00:00.000000Z', '2026-11-20T00:00:00.000001Z']);
    expect(times.slice(999, 1001)).toEqual(['2026-11-20T00:00:00.000999Z', '2026-11-20T00:00:00.001000Z']);
    expect(times).toEqual([...new Set(times)].sort());
  });

  it('goes on from where it is when the system’s clock slips a little, and follows it when it is set back', () => {
    let now = Date.UTC(2026, 10, 20, 12);
    const clock = new EventClock(() => now);
    expect(clock.next()).toBe('2026-11-20T12:00:00.000000Z');
    now -= 500;
    expect(clock.next()).toBe('2026-11-20T12:00:00.000001Z');
    now -= 3_600_000;
    expect(clock.next()).toBe('2026-11-20T10:59:59.500000Z');
  });

  it('tells, whatever the system’s clock reads, what the straightforward way would', () => {
    fc.assert(
      fc.property(readings, (times) => {
        let now = 0;
        const clock = new EventClock(() => now);
        const plain = new PlainClock();
        for (now of times) if (clock.next() !== plain.next(now)) return false;
        return true;
      }),
      { numRuns: 100 },
    );
  });

  it('goes back only where the system’s clock was set back by more than a second', () => {
    fc.assert(
      fc.property(readings, (times) => {
        let now = 0;
        const clock = new EventClock(() => now);
        let last = '';
        for (now of times) {
          const told = clock.next();
          const setBack = last !== '' && now < Date.parse(last) - 999;
          if (told <= last && !setBack) return false;
          last = told;
        }
        return true;
      }),
      { numRuns: 100 },
    );
  });
});

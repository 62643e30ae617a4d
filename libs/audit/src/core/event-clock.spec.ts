import { describe, expect, it } from '@jest/globals';
import { EventClock } from './event-clock.js';

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
    expect(times.slice(0, 2)).toEqual(['2026-11-20T00:00:00.000Z', '2026-11-20T00:00:00.000001Z']);
    // At the same length the order of the texts is that of the times.
    const padded = times.map((time) => time.replace(/\.(\d{3})Z$/, '.$1000Z'));
    expect(padded).toEqual([...new Set(padded)].sort());
  });

  it('goes on from where it is when the system’s clock slips a little, and follows it when it is set back', () => {
    let now = Date.UTC(2026, 10, 20, 12);
    const clock = new EventClock(() => now);
    expect(clock.next()).toBe('2026-11-20T12:00:00.000Z');
    now -= 500;
    expect(clock.next()).toBe('2026-11-20T12:00:00.000001Z');
    now -= 3_600_000;
    expect(clock.next()).toBe('2026-11-20T10:59:59.500Z');
  });
});

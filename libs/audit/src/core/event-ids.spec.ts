import { describe, expect, it } from '@jest/globals';
import { EventIds } from './event-ids.js';

const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('EventIds', () => {
  it('makes UUIDs of version 7, none of them twice', () => {
    const ids = new EventIds();
    const made = Array.from({ length: 5000 }, () => ids.next());
    expect(made.filter((id) => !UUID_7.test(id))).toEqual([]);
    expect(new Set(made).size).toBe(made.length);
  });

  it.each([0, 1, 0x0123456789ab, Date.UTC(2026, 10, 20), 2 ** 48 - 1])('begins with the time: %d', (ms) => {
    const digits = new EventIds(() => ms).next().replaceAll('-', '');
    expect(parseInt(digits.slice(0, 12), 16)).toBe(ms);
  });

  it('follows the clock', () => {
    let ms = 1000;
    const ids = new EventIds(() => ms);
    const first = ids.next();
    expect(ids.next().slice(0, 13)).toBe(first.slice(0, 13));
    ms = 999;
    expect(ids.next() < first).toBe(true);
    ms = 1001;
    expect(ids.next() > first).toBe(true);
  });

  it('has every random bit set at times, and at times not', () => {
    const ids = new EventIds();
    const bits = Array.from({ length: 500 }, () => BigInt(`0x${ids.next().replaceAll('-', '')}`));
    const set = bits.reduce((a, b) => a | b);
    const always = bits.reduce((a, b) => a & b);
    const random = (0xfffn << 64n) | (2n ** 62n - 1n);
    expect(set & random).toBe(random);
    expect(always & random).toBe(0n);
  });
});

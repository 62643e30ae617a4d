import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { median, quantile } from './statistics.js';

const samples = fc.array(fc.double({ noNaN: true }), { minLength: 1 });

describe('quantile', () => {
  it('is a value of the sample that at least so much of it does not exceed, and leaves the sample as it is', () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0, max: 1, noNaN: true }), (sample, part) => {
        const before = [...sample];
        const value = quantile(sample, part);
        expect(sample).toEqual(before);
        expect(sample).toContain(value);
        expect(sample.filter((other) => other <= value).length).toBeGreaterThanOrEqual(
          Math.floor(part * sample.length),
        );
      }),
    );
  });

  it.each([
    [[3, 1, 2], 2],
    [[10, 9], 10],
    [[7], 7],
  ])('of %j in the middle is %d', (sample, expected) => {
    expect(median(sample)).toBe(expected);
  });

  it('refuses nothing', () => {
    expect(() => median([])).toThrow('a quantile of nothing');
  });
});

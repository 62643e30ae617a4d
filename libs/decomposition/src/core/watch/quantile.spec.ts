import { describe, expect, it } from '@jest/globals';
import { quantile } from './quantile.js';

describe('quantile', () => {
  const bounds = [10, 100, 1000];

  it.each([
    [0.5, [10, 0, 0, 0], 5],
    [0.95, [90, 10, 0, 0], 55],
    [0.95, [95, 0, 5, 0], 10],
    [0.95, [94, 0, 6, 0], 100 + 900 / 6],
    [0.95, [90, 0, 0, 10], Infinity],
    [0.95, [0, 0, 0, 1], Infinity],
    [0.95, [0, 0, 0, 0], null],
  ])('of share %d of %j is %d', (q, counts, expected) => {
    const found = quantile(q, bounds, counts);
    if (expected === null || expected === Infinity) expect(found).toBe(expected);
    else expect(found).toBeCloseTo(expected);
  });
});

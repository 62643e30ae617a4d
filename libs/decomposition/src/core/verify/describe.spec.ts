import { describe, expect, it } from '@jest/globals';
import { microsecondsApart } from './describe.js';

describe('microsecondsApart', () => {
  it.each([
    ['2025-01-01 00:00:00+00', '2025-01-01 00:00:00.000001+00', 1n],
    ['2025-01-01 00:00:00.5', '2024-12-31 23:59:59.49', 1_010_000n],
    ['12025-01-01 00:00:00+00', '12025-01-02 00:00:00+00', 86_400_000_000n],
  ])('tells %s from %s', (one, other, apart) => {
    expect(microsecondsApart(one, other)).toBe(apart);
    expect(microsecondsApart(other, one)).toBe(apart);
  });

  it.each([['infinity'], ['0044-03-15 00:00:00+00 BC'], [null]])('has no number for %s', (text) => {
    expect(microsecondsApart(text, '2025-01-01 00:00:00+00')).toBeUndefined();
  });
});

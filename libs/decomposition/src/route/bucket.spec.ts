import { describe, expect, it } from '@jest/globals';
import { bucketOf } from './bucket.js';

const KEYS = Array.from({ length: 10_000 }, (_, i) => `tenant-${i % 7}/ghost-${i}`);

describe('bucketOf', () => {
  it.each([1, 10, 50, 90])('gives %i %% of the keys, give or take 2', (percent) => {
    const share = KEYS.filter((key) => bucketOf(key) < percent).length / KEYS.length;
    expect(Math.abs(100 * share - percent)).toBeLessThan(2);
  });

  it('says the same of a key in every process and release', () => {
    expect(['', 'a', 'default/Scout', 'default/Librarian'].map(bucketOf)).toMatchInlineSnapshot(`
     [
       23,
       15,
       51,
       16,
     ]
    `);
  });
});

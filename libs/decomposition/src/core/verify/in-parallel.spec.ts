import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { inParallel } from './in-parallel.js';

async function* upTo(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i;
}

describe('inParallel', () => {
  it('works on each item once, on no more at a time than it may', async () => {
    const seen: number[] = [];
    let [busy, most] = [0, 0];
    await inParallel(upTo(20), 3, async (item) => {
      most = Math.max(most, ++busy);
      await turn();
      seen.push(item);
      busy--;
    });
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(most).toBe(3);
  });

  it('begins nothing after an error, and tells of it when all have ended', async () => {
    const seen: number[] = [];
    const work = inParallel(upTo(1000), 2, async (item) => {
      await turn();
      seen.push(item);
      if (item === 3) throw new Error('three');
    });
    await expect(work).rejects.toThrow('three');
    expect(seen.length).toBeLessThan(8);
  });
});

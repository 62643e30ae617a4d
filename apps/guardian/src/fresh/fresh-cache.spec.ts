import { beforeEach, describe, expect, it } from '@jest/globals';
import { FreshCache } from './fresh-cache.js';

describe('a fresh cache', () => {
  let now: number;
  let reads: string[];
  let answer: (key: string) => Promise<string>;
  let cache: FreshCache<string>;
  beforeEach(() => {
    now = 0;
    reads = [];
    answer = async (key) => key.toUpperCase();
    cache = new FreshCache<string>({
      read: (key) => {
        reads.push(key);
        return answer(key);
      },
      keeps: (value) => value !== 'NO',
      maxEntries: 2,
      maxAgeMs: 1000,
      elapsed: () => now,
    });
  });

  /** Readings that a test ends when it likes. */
  const held = () => {
    const waiting: PromiseWithResolvers<string>[] = [];
    answer = () => {
      waiting.push(Promise.withResolvers<string>());
      return waiting.at(-1)!.promise;
    };
    return waiting;
  };

  it('keeps what it has read for less than its age', async () => {
    await cache.read('a');
    now = 999;
    expect(cache.peek('a')).toBe('A');
    now = 1000;
    expect([cache.peek('a'), cache.size]).toEqual([undefined, 0]);
  });

  it('counts the age from the beginning of the reading', async () => {
    const waiting = held();
    const reading = cache.read('a');
    now = 600;
    waiting[0]!.resolve('old');
    await reading;
    now = 999;
    expect(cache.peek('a')).toBe('old');
    now = 1000;
    expect(cache.peek('a')).toBeUndefined();
  });

  it('does not keep what took as long to read as it may be old', async () => {
    const waiting = held();
    const reading = cache.read('a');
    now = 1000;
    waiting[0]!.resolve('old');
    expect(await reading).toBe('old');
    expect(cache.size).toBe(0);
  });

  it('shares a reading, but not one that began too long ago', async () => {
    const waiting = held();
    const both = [cache.read('a'), cache.read('a')];
    expect(reads).toEqual(['a']);
    now = 1000;
    const third = cache.read('a');
    expect(reads).toEqual(['a', 'a']);
    waiting[1]!.resolve('new');
    waiting[0]!.resolve('old');
    expect(await Promise.all([...both, third])).toEqual(['old', 'old', 'new']);
    expect(cache.peek('a')).toBe('new');
  });

  it('forgets also what is being read, and shares it with nobody who asks later', async () => {
    await cache.read('kept');
    const waiting = held();
    const before = cache.read('a');
    cache.forget();
    const after = cache.read('a');
    waiting[1]!.resolve('new');
    expect(await after).toBe('new');
    waiting[0]!.resolve('old');
    expect(await before).toBe('old');
    expect([cache.peek('a'), cache.peek('kept')]).toEqual(['new', undefined]);
  });

  it('drops what was used least recently', async () => {
    await cache.read('a');
    await cache.read('b');
    cache.peek('a');
    await cache.read('c');
    expect([cache.peek('a'), cache.peek('b'), cache.peek('c')]).toEqual(['A', undefined, 'C']);
  });

  it('keeps only what is worth it, and an answer that is not takes the place of one that was', async () => {
    await cache.read('no');
    expect(cache.size).toBe(0);
    await cache.read('a');
    answer = async () => 'NO';
    await cache.read('a');
    expect(cache.peek('a')).toBeUndefined();
  });

  it('passes a failure on, and reads again afterwards', async () => {
    answer = () => Promise.reject(new Error('no answer'));
    await expect(cache.read('a')).rejects.toThrow('no answer');
    answer = async () => 'yes';
    expect(await cache.read('a')).toBe('yes');
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { waitFor } from '#testing';
import { BatchBuffer, type BatchBufferOptions } from './batch-buffer.js';

describe('BatchBuffer', () => {
  const buffers: BatchBuffer<number>[] = [];
  afterEach(() => Promise.all(buffers.splice(0).map((buffer) => buffer.close(0))));

  function create(options: Partial<BatchBufferOptions<number>> = {}) {
    const batches: number[][] = [];
    const buffer = new BatchBuffer<number>({
      write: async (batch) => batches.push([...batch]),
      capacity: 1000,
      maxBatch: 10,
      intervalMs: 5,
      ...options,
    });
    buffers.push(buffer);
    return { buffer, batches };
  }

  it('writes everything, in order, in batches within bounds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer(), { maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        async (items, maxBatch) => {
          const { buffer, batches } = create({ maxBatch });
          for (const item of items) expect(buffer.offer(item)).toBe(true);
          await buffer.flush();
          expect(batches.flat()).toEqual(items);
          for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(maxBatch);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('writes by itself after the interval', async () => {
    const { buffer, batches } = create();
    buffer.offer(1);
    await waitFor('the write', () => batches.length === 1);
  });

  it('says false when it is full, also while a batch is in flight, and takes all of a group or none', async () => {
    let release = (): void => undefined;
    const hold = new Promise<void>((resolve) => (release = resolve));
    const { buffer } = create({ capacity: 4, maxBatch: 2, write: () => hold });
    expect(buffer.offerAll([1, 2, 3])).toBe(true);
    expect(buffer.offerAll([4, 5])).toBe(false);
    expect(buffer.offer(4)).toBe(true);
    expect(buffer.offer(5)).toBe(false);
    expect(buffer.size).toBe(4);
    release();
    await buffer.flush();
    expect(buffer.offer(6)).toBe(true);
  });

  it('tries a failing write again, telling once that it fails and once that it works', async () => {
    const told: string[] = [];
    let failures = 2;
    const { buffer } = create({
      write: async () => {
        if (failures-- > 0) throw new Error('down');
      },
      onFailing: () => told.push('failing'),
      onRecovered: () => told.push('recovered'),
    });
    buffer.offer(1);
    await buffer.flush();
    expect(told).toEqual(['failing', 'recovered']);
    expect(buffer.size).toBe(0);
  });

  it('gives up what can never be written, and goes on', async () => {
    const lost: number[] = [];
    const { buffer } = create({
      maxBatch: 1,
      write: async ([item]) => {
        if (item === 2) throw new Error('never');
      },
      isPermanent: () => true,
      onLost: (items) => lost.push(...items),
    });
    buffer.offerAll([1, 2, 3]);
    await buffer.flush();
    expect(lost).toEqual([2]);
  });

  it('closes by its deadline and names what it could not write, in order', async () => {
    const lost: number[] = [];
    const { buffer } = create({
      maxBatch: 2,
      write: () => Promise.reject(new Error('down')),
      onLost: (items) => lost.push(...items),
    });
    buffer.offerAll([1, 2, 3]);
    await Promise.all([buffer.close(30), buffer.close(30)]);
    expect(lost).toEqual([1, 2, 3]);
    expect(buffer.offer(4)).toBe(false);
  });

  it('flushes what was there before, and does not wait for what comes after', async () => {
    let busy = true;
    const written: number[] = [];
    // Each write brings as much as it takes away: the buffer is never empty.
    const { buffer } = create({
      write: async (batch) => {
        written.push(...batch);
        await new Promise((resolve) => setImmediate(resolve));
        if (busy) buffer.offerAll(batch.map((item) => item + 100));
      },
    });
    buffer.offerAll(Array.from({ length: 30 }, (_, i) => i));
    await buffer.flush();
    expect(written.filter((item) => item < 100)).toHaveLength(30);
    expect(buffer.size).toBeGreaterThan(0);
    busy = false;
  });

  it('closes by its deadline also when a write hangs, and counts it as lost', async () => {
    const lost: number[] = [];
    const { buffer } = create({
      maxBatch: 2,
      write: () => new Promise(() => undefined),
      onLost: (items) => lost.push(...items),
    });
    buffer.offerAll([1, 2, 3]);
    await buffer.close(20);
    expect(lost).toEqual([1, 2, 3]);
    expect(buffer.size).toBe(0);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ReplayMemory } from './replay-memory.js';

const NOW = 1_000_000;

describe('ReplayMemory', () => {
  it('knows an id that it has seen, whatever end it is given with', () => {
    const memory = new ReplayMemory(10);
    expect(memory.add('a', NOW + 65, NOW)).toBe('new');
    expect(memory.add('a', NOW + 65, NOW + 1)).toBe('seen');
    expect(memory.add('a', NOW + 30, NOW + 1)).toBe('seen');
    expect(memory.add('b', NOW + 65, NOW + 1)).toBe('new');
    expect(memory.size).toBe(2);
  });

  it('takes nothing new when it is full, and still knows what it has', () => {
    const memory = new ReplayMemory(2);
    memory.add('a', NOW + 65, NOW);
    memory.add('b', NOW + 65, NOW);
    expect(memory.add('c', NOW + 65, NOW)).toBe('full');
    expect(memory.add('a', NOW + 65, NOW)).toBe('seen');
    expect(memory.add('c', NOW + 165, NOW + 100)).toBe('new');
    expect(memory.size).toBe(1);
  });

  it('never forgets before the end, and always soon after it', () => {
    const steps = fc.array(fc.record({ wait: fc.nat(40), holds: fc.integer({ min: 0, max: 70 }), id: fc.nat(30) }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, (calls) => {
        const memory = new ReplayMemory(1000);
        const ends = new Map<string, number>();
        let now = NOW;
        for (const { wait, holds, id } of calls) {
          now += wait;
          const key = String(id);
          const end = ends.get(key);
          const answer = memory.add(key, now + holds, now);
          if (end !== undefined && end > now) expect(answer).toBe('seen');
          if (end === undefined || end + 15 <= now) expect(answer).toBe('new');
          if (answer === 'new') ends.set(key, now + holds);
          expect(memory.size).toBeLessThanOrEqual([...ends.values()].filter((until) => until + 15 > now).length);
        }
        memory.drop(now + 1000);
        expect(memory.size).toBe(0);
      }),
    );
  });
});

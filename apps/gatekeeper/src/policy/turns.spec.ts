import { describe, expect, it } from '@jest/globals';
import { Turns } from './turns.js';

describe('turns', () => {
  it('come one after the other, whatever becomes of them', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const turn = (name: string) => async () => {
      seen.push(`${name} begins`);
      await Promise.resolve();
      seen.push(`${name} ends`);
      if (name === 'a') throw new Error('a fails');
      return name;
    };
    const [a, b] = [turns.take(turn('a')), turns.take(turn('b'))];
    await expect(a).rejects.toThrow('a fails');
    await expect(b).resolves.toBe('b');
    expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('are refused when many wait, and are taken again when they are over', async () => {
    const turns = new Turns();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const waiting = Array.from({ length: 16 }, () => turns.take(() => held));
    await expect(turns.take(() => held)).rejects.toMatchObject({ code: 'policy_busy', kind: 'unavailable' });
    release();
    await turns.over();
    await Promise.all(waiting);
    await expect(turns.take(() => Promise.resolve(1))).resolves.toBe(1);
  });
});

import { describe, expect, it } from '@jest/globals';
import { CatchUps } from './catch-ups.js';

function slowStream(): { waits: { resolve: () => void; reject: (error: Error) => void }[]; catchUps: CatchUps } {
  const waits: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const catchUp = (): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waits.push({ resolve, reject });
    return promise;
  };
  return { waits, catchUps: new CatchUps({ catchUp }, new AbortController().signal) };
}

describe('CatchUps', () => {
  it('lets those that ask during a wait share one that begins after they asked', async () => {
    const { waits, catchUps } = slowStream();
    const first = catchUps.wait();
    const [second, third] = [catchUps.wait(), catchUps.wait()];
    expect(waits).toHaveLength(1);
    waits[0]!.resolve();
    await first;
    await Promise.resolve();
    expect(waits).toHaveLength(2);
    const fourth = catchUps.wait();
    waits[1]!.resolve();
    await Promise.all([second, third]);
    await Promise.resolve();
    expect(waits).toHaveLength(3);
    waits[2]!.resolve();
    await fourth;
  });

  it('tells of a failure only those that waited for it', async () => {
    const { waits, catchUps } = slowStream();
    const [first, second] = [catchUps.wait(), catchUps.wait()];
    waits[0]!.reject(new Error('timeout'));
    await expect(first).rejects.toThrow('timeout');
    await Promise.resolve();
    waits[1]!.resolve();
    await second;
  });
});

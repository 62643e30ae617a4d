import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sseData } from './sse-data.js';

async function read(pieces: Iterable<Uint8Array>): Promise<string[]> {
  const events: string[] = [];
  async function* bytes() {
    yield* pieces;
  }
  for await (const data of sseData(bytes())) events.push(data);
  return events;
}

describe('sseData', () => {
  it('reads the same events wherever the bytes are cut, also within a character', async () => {
    const line = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[\r\n]/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat({ max: 40 })), async (lines, cuts) => {
        let rest = Buffer.from(lines.map((text) => `data: ${text}\n\n`).join(''));
        const pieces: Buffer[] = [];
        for (const cut of cuts) {
          pieces.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        expect(await read([...pieces, rest])).toEqual(lines);
      }),
    );
  });

  it('passes over comments, and puts the lines of one event together', async () => {
    expect(await read([Buffer.from(': keep-alive\n\ndata: {\ndata: }\n\n')])).toEqual(['{\n}']);
  });

  it('refuses an event that would not end', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const pieces = [Buffer.from('data: '), ...Array.from({ length: 10 }, () => piece)];
    await expect(read(pieces)).rejects.toThrow();
  });
});

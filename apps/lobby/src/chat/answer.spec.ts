import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MAX_CONTENT_BYTES } from '../history/kept-text.js';
import { answerOf, StreamedAnswer } from './answer.js';

const event = (content: unknown, index = 0) =>
  `data: ${JSON.stringify({ model: 'echo', choices: [{ index, delta: { content } }] })}\n\n`;

function read(...chunks: (string | Uint8Array)[]): StreamedAnswer {
  const answer = new StreamedAnswer();
  for (const chunk of chunks) answer.feed(Buffer.from(chunk));
  return answer;
}

describe('StreamedAnswer', () => {
  it('reads the same, however the bytes are cut', () => {
    const words = fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(words, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (parts, sizes) => {
        const bytes = Buffer.from(parts.map((part) => event(part)).join('') + 'data: [DONE]\n\n');
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; at += sizes[i++ % sizes.length]!)
          chunks.push(bytes.subarray(at, at + sizes[i % sizes.length]!));
        const answer = read(...chunks);
        expect([answer.text, answer.model, answer.done]).toEqual([parts.join(''), 'echo', true]);
      }),
    );
  });

  it('takes the first choice only, and skips what is no delta', () => {
    const answer = read(
      event('a'),
      event('X', 1),
      event(null),
      'data: {"error":{}}\n\n',
      'data: no json\n\n',
      event('b'),
    );
    expect([answer.text, answer.done]).toEqual(['ab', false]);
  });

  it('does not hold more than is kept', () => {
    const answer = new StreamedAnswer();
    const large = Buffer.from(event('x'.repeat(100_000)));
    for (let i = 0; i < 20; i++) answer.feed(large);
    expect(answer.text.length).toBeGreaterThan(MAX_CONTENT_BYTES);
    expect(answer.text.length).toBeLessThan(MAX_CONTENT_BYTES + 100_001);
  });

  it('gives up reading, without a sound, where an event has no end', () => {
    const answer = read(event('a'), 'data: ');
    for (let i = 0; i < 20; i++) answer.feed(Buffer.alloc(100_000, 'x'));
    expect(answer.text).toBe('a');
  });
});

describe('answerOf', () => {
  it('reads text, and text parts', () => {
    const body = (content: unknown) => JSON.stringify({ model: 'echo', choices: [{ message: { content } }] });
    expect(answerOf(body('hi'))).toEqual({ text: 'hi', model: 'echo' });
    expect(answerOf(body([{ type: 'text', text: 'hi' }, { type: 'refusal' }]))).toEqual({ text: 'hi', model: 'echo' });
    expect(answerOf(body(null))).toEqual({ text: '', model: 'echo' });
  });

  it.each(['', 'no json', '{}', '{"choices":[]}'])('reads nothing out of %j', (body) => {
    expect(answerOf(body)).toBeUndefined();
  });
});

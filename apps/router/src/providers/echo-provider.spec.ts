import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chatRequest } from '#contracts';
import { EchoProvider } from './echo-provider.js';

const echo = new EchoProvider();
const ask = (content: string) => chatRequest.parse({ model: 'echo', messages: [{ role: 'user', content }] });
const pieces = async (content: string) => {
  const words: string[] = [];
  for await (const { data } of echo.stream(ask(content), new AbortController().signal)) {
    const { choices } = JSON.parse(data) as { choices: { delta: { content?: string } }[] };
    if (choices[0]?.delta.content) words.push(choices[0].delta.content);
  }
  return words;
};

describe('EchoProvider', () => {
  it('streams pieces that put together are any text, exactly, each with one word at most', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
        const words = await pieces(text);
        expect(words.join('')).toBe(text);
        for (const word of words) expect(word.trim().split(/\s+/)).toHaveLength(1);
      }),
    );
  });

  it('answers nothing where no user has spoken', async () => {
    const { choices, usage } = await echo.complete(
      chatRequest.parse({ model: 'echo', messages: [{ role: 'system', content: 'two words' }] }),
    );
    expect([choices[0]?.['message'], usage?.completion_tokens, usage?.prompt_tokens]).toEqual([
      { role: 'assistant', content: '' },
      0,
      2,
    ]);
  });

  it('stops in its pause when it is aborted', async () => {
    const abort = new AbortController();
    const chunks = new EchoProvider(10_000).stream(ask('a b'), abort.signal);
    await chunks.next();
    await chunks.next();
    const next = chunks.next();
    abort.abort();
    await expect(next).rejects.toThrow('aborted');
  });
});

import { describe, expect, it } from '@jest/globals';
import { keptText, lastUserText, MAX_CONTENT_BYTES } from './kept-text.js';

describe('keptText', () => {
  it('keeps a text of exactly the limit as it is', () => {
    const text = 'é'.repeat(MAX_CONTENT_BYTES / 2);
    expect(keptText(text)).toEqual({ content: text, truncated: false });
  });

  it('cuts between characters, never within one', () => {
    const { content, truncated } = keptText(`x${'🦊'.repeat(MAX_CONTENT_BYTES / 4)}`);
    expect(truncated).toBe(true);
    expect(content).toBe(`x${'🦊'.repeat(MAX_CONTENT_BYTES / 4 - 1)}`);
  });

  it('replaces what PostgreSQL does not store', () => {
    expect(keptText('a\0b\ud800c')).toEqual({ content: 'a\ufffdb\ufffdc', truncated: false });
  });
});

describe('lastUserText', () => {
  it('is the text of the last user message, wherever it stands', () => {
    expect(
      lastUserText([
        { role: 'user', content: 'first' },
        { role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'image_url' }, { type: 'text', text: 'b' }] },
        { role: 'assistant', content: 'no' },
      ]),
    ).toBe('a\nb');
  });

  it('tells nothing said from an empty message', () => {
    expect(lastUserText([{ role: 'system', content: 'x' }])).toBeUndefined();
    expect(lastUserText([{ role: 'user', content: null }])).toBe('');
  });
});

import { describe, expect, it } from '@jest/globals';
import { storableText } from './storable-text.js';

describe('storableText', () => {
  it.each([
    ['plain', 'plain'],
    ['a\0b', 'a\u{FFFD}b'],
    ['half \ud83d', 'half \u{FFFD}'],
    ['whole 👍', 'whole 👍'],
  ])('makes %j %j', (text, stored) => {
    expect(storableText(text)).toBe(stored);
  });

  it('leaves no half of a character where it cuts', () => {
    expect(storableText('👍👍', 3)).toBe('👍\u{FFFD}');
  });
});

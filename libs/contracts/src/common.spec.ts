import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { metadata, name, text, timestamp } from './common.js';

describe('name', () => {
  it('is any text without control characters and lone surrogates', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 50 }), (value) => {
        expect(name.safeParse(value).success).toBe(/^[^\p{Cc}\p{Cs}]+$/u.test(value));
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['', 'a'.repeat(201), 'a\nb', 'a\0', '\ud800', '\udc00x', 'a\u0085'])('is not %j', (value) => {
    expect(name.safeParse(value).success).toBe(false);
  });

  it.each(['Scout', 'gemma2:27b', 'Žofka', '👩‍🚀', 'with spaces'])('may be %s', (value) => {
    expect(name.safeParse(value).success).toBe(true);
  });
});

describe('text', () => {
  it('is bounded, and what PostgreSQL can store', () => {
    expect(text(3, 1).safeParse('a\nb').success).toBe(true);
    for (const value of ['', 'abcd', 'a\0', '\udfff']) expect(text(3, 1).safeParse(value).success).toBe(false);
  });
});

describe('timestamp', () => {
  it.each(['2026-11-20T10:00:00Z', '2026-11-20T10:00:00.123456+15:59', '0001-01-01T00:00:00Z'])(
    'may be %s',
    (value) => {
      expect(timestamp.safeParse(value).success).toBe(true);
    },
  );

  it.each([
    '2026-11-20',
    '2026-11-20T10:00:00',
    '2026-11-20T10:00:00+16:00',
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-00:30',
  ])('is not %s', (value) => {
    expect(timestamp.safeParse(value).success).toBe(false);
  });
});

describe('metadata', () => {
  it('takes any JSON object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 }), (value) => {
        const storable = !JSON.stringify(value).includes('\\u0000');
        expect(metadata.safeParse(value).success).toBe(storable);
      }),
    );
  });

  it.each([
    ['a list', []],
    ['a lone surrogate in a list', { a: ['\ud800'] }],
    ['a NUL in a key', { 'a\0': 1 }],
    ['more than 32 KiB', { a: 'x'.repeat(33_000) }],
    ['more than 16 levels', JSON.parse(`${'{"a":'.repeat(20)}1${'}'.repeat(20)}`) as unknown],
  ])('does not take %s', (_name, value) => {
    expect(metadata.safeParse(value).success).toBe(false);
  });
});

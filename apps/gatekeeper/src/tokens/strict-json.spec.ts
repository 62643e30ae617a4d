import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseStrictJson } from './strict-json.js';

describe('strict JSON', () => {
  it('is read as JSON where no name is there twice', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(parseStrictJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"":1, "" :2}',
    '[{"x":{"a":1,"b":[{}],"a":2}}]',
    '{"a\\\\":1,"a\\\\":2}',
    '{"__proto__":1,"__proto__":2}',
  ])('is not %s', (text) => expect(() => parseStrictJson(text)).toThrow('is there twice'));

  it.each(['{"a":{"a":{"a":1}},"b":"a"}', '[{"a":1},{"a":1}]', '{"a":"\\"a\\":1,","b":["a","a"]}', '{"a":1,"A":2}'])(
    'may be %s',
    (text) => expect(parseStrictJson(text)).toEqual(JSON.parse(text)),
  );

  it('is not deeper than 32 levels', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(() => parseStrictJson(nested(32))).not.toThrow();
    expect(() => parseStrictJson(nested(33))).toThrow('levels deep');
  });
});

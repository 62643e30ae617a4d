import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { VerifiedTokens, type VerifiedToken } from './verified-tokens.js';

const tokenOf = (token: string): VerifiedToken => ({
  kind: 'agent',
  ghostId: 'Scout',
  groups: [],
  tenantId: 'default',
  token,
  expiresAt: 0,
  notBefore: undefined,
  issuedAt: undefined,
  jti: undefined,
});

describe('verified tokens', () => {
  it('forget the one that was used longest ago when there are too many', () => {
    const tokens = new VerifiedTokens({ maxEntries: 2, maxBytes: 1e6 });
    tokens.add(tokenOf('a'));
    tokens.add(tokenOf('b'));
    expect(tokens.get('a')?.token).toBe('a');
    tokens.add(tokenOf('c'));
    expect(['a', 'b', 'c'].map((text) => tokens.get(text)?.token)).toEqual(['a', undefined, 'c']);
    expect([tokens.size, tokens.hits, tokens.misses]).toEqual([2, 3, 1]);
  });

  it('never take more bytes than they may, whatever comes', () => {
    const tokens = new VerifiedTokens({ maxEntries: 1000, maxBytes: 100_000 });
    for (let i = 0; i < 500; i++) {
      tokens.add(tokenOf(`${i}`.repeat(1 + (i % 40) * 50)));
      expect(tokens.bytes).toBeLessThanOrEqual(100_000);
    }
    tokens.add(tokenOf('x'.repeat(50_000)));
    expect(tokens.get('x'.repeat(50_000))).toBeUndefined();
    expect(tokens.size).toBeGreaterThan(0);
    tokens.clear();
    expect([tokens.size, tokens.bytes]).toEqual([0, 0]);
  });

  it('count the same token once', () => {
    const tokens = new VerifiedTokens();
    tokens.add(tokenOf('a'));
    const { bytes } = tokens;
    tokens.add(tokenOf('a'));
    expect([tokens.size, tokens.bytes]).toEqual([1, bytes]);
    tokens.remove('a');
    tokens.remove('a');
    expect([tokens.size, tokens.bytes]).toEqual([0, 0]);
  });

  it('keep those that a list in the order of use would keep', () => {
    const step = fc.record({ what: fc.constantFrom('get', 'add', 'remove'), text: fc.constantFrom(...'abcdef') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const tokens = new VerifiedTokens({ maxEntries: 3, maxBytes: 1e6 });
        let model: string[] = [];
        for (const { what, text } of steps) {
          const known = model.includes(text);
          if (what === 'get') expect(tokens.get(text)?.token).toBe(known ? text : undefined);
          else if (what === 'add') tokens.add(tokenOf(text));
          else tokens.remove(text);
          if (known || what === 'add') model = model.filter((other) => other !== text);
          if (what === 'add' || (what === 'get' && known)) model = [...model, text].slice(-3);
          expect(tokens.size).toBe(model.length);
        }
        const left = [...'abcdef'].filter((text) => tokens.get(text));
        expect(left).toEqual([...model].sort());
      }),
    );
  });
});

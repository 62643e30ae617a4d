import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { KeySet } from './key-set.js';

const ec = (kid?: string, more: object = {}) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  ...(kid !== undefined && { kid }),
  ...more,
});
const parse = (...keys: object[]) => KeySet.parse(JSON.stringify({ keys }));

describe('a key set', () => {
  it.each<[string, object, RegExp]>([
    ['for encryption', ec('k', { use: 'enc' }), /its use is not sig/],
    ['for signing only', ec('k', { key_ops: ['sign'] }), /its key_ops is not verify/],
    ['for another algorithm', ec('k', { alg: 'ES384' }), /its alg is not ES256/],
    ['with a private part', ec('k', { d: 'AAAA' }), /it has d/],
    ['that is symmetric', { kty: 'oct', k: 'c2VjcmV0', kid: 'k' }, /it has k/],
    ['of an unknown kind', { kty: 'AKP', kid: 'k' }, /its kty/],
    ['whose point is not on the curve', { ...ec('k'), x: 'AAAA' }, /key "k"/],
    ['whose name is a number', ec('k', { kid: 7 }), /key 2 of the list: its kid/],
    ['whose name is there already', ec('good'), /another key has its name/],
  ])('uses no key %s, says why, and keeps the others', async (_name, bad, reason) => {
    const set = await parse(ec('good'), bad);
    expect(set.size).toBe(1);
    expect(set.find('ES256', 'good')).toBeDefined();
    expect(set.find('ES256', 'k')).toBeUndefined();
    expect(set.ignored).toEqual([expect.stringMatching(reason)]);
  });

  it('gives a token without a name a key only where there is one of its kind', async () => {
    expect((await parse(ec('a'))).find('ES256', undefined)).toBeDefined();
    expect((await parse(ec('a'), ec('b'))).find('ES256', undefined)).toBeUndefined();
    expect((await parse(ec('a'))).find('RS256', undefined)).toBeUndefined();
  });

  it('gives no key without a name to a token with one', async () => {
    expect((await parse(ec())).find('ES256', 'a')).toBeUndefined();
  });

  it('is the same in another order, and with what does not matter', async () => {
    const [a, b] = [ec('a'), ec('b')];
    const first = await parse(a, b);
    expect((await parse({ ...b, x5t: 'x', use: 'sig' }, a)).fingerprint).toBe(first.fingerprint);
    expect((await parse(a)).fingerprint).not.toBe(first.fingerprint);
    expect((await parse(a, { ...b, kid: 'c' })).fingerprint).not.toBe(first.fingerprint);
  });

  it('may be empty, but must be one', async () => {
    expect((await parse()).size).toBe(0);
    await expect(KeySet.parse('{}')).rejects.toThrow();
    await expect(KeySet.parse('{"keys":{}}')).rejects.toThrow();
  });
});

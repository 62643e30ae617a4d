import { describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';
import { makeToken, parseTtl } from './token.js';

const SECRET = 'a-secret-that-is-long-enough-for-hs256';
const key = new TextEncoder().encode(SECRET);

describe('parseTtl', () => {
  it.each([
    ['30s', 30],
    ['15m', 900],
    ['1h', 3_600],
    ['7d', 604_800],
    ['365d', 31_536_000],
  ])('reads %s as %d seconds', (text, seconds) => expect(parseTtl(text)).toBe(seconds));

  it.each(['', '0s', '1', 'h', '-1h', '1.5h', '366d', '1y', ' 1h', '999999999d'])('refuses "%s"', (text) => {
    expect(() => parseTtl(text)).toThrow(/time to live/);
  });
});

describe('makeToken', () => {
  it('names the ghost and nothing that was not asked for', async () => {
    const token = await makeToken({ ghost: 'Scout', ttlSeconds: 60 }, SECRET, {});
    const { payload, protectedHeader } = await jwtVerify(token, key);
    expect(protectedHeader.alg).toBe('HS256');
    expect(Object.keys(payload).sort()).toEqual(['exp', 'iat', 'jti', 'sub']);
    expect(payload.sub).toBe('Scout');
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
  });

  it('carries groups, tenant, and the issuer and audience that the gatekeeper asks for', async () => {
    const env = { GATEKEEPER_JWT_ISSUER: 'https://issuer', GATEKEEPER_JWT_AUDIENCE: 'gravitas' };
    const token = await makeToken({ ghost: 'Scout', groups: ['a', 'b'], tenant: 't1', ttlSeconds: 60 }, SECRET, env);
    const { payload } = await jwtVerify(token, key, { issuer: 'https://issuer', audience: 'gravitas' });
    expect(payload).toMatchObject({ groups: ['a', 'b'], tid: 't1' });
  });
});

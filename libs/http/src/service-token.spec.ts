import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt, jwtVerify, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { ServiceError } from '#errors';
import { type ServiceTokenError } from './service-token-error.js';
import { ServiceTokens, type ServiceTokenOptions } from './service-token.js';

const KEY = 'a key that only this test knows, long enough';
const SECRET = new TextEncoder().encode(KEY);
const HEADER = { alg: 'HS256', typ: 'JWT' };
const NOW = 1_800_000_000;

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
/** Whatever header and claims, with a signature that is right. */
const signed = (header: unknown, payload: unknown, key = KEY) => {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
};

describe('ServiceTokens', () => {
  let now: number;
  let faults: string[];
  let guardian: ServiceTokens;
  let router: ServiceTokens;
  const tokens = (self: 'guardian' | 'router', options: ServiceTokenOptions = {}) =>
    new ServiceTokens(self, KEY, {
      clock: () => now * 1000,
      onRefused: (fault) => faults.push(fault),
      ...options,
    });
  beforeEach(() => {
    now = NOW;
    faults = [];
    guardian = tokens('guardian');
    router = tokens('router');
  });

  const claims = (overrides: object = {}): JWTPayload => ({
    iss: 'router',
    aud: 'guardian',
    iat: now,
    exp: now + 60,
    jti: randomUUID(),
    ...overrides,
  });
  const without = (name: string) => Object.fromEntries(Object.entries(claims()).filter(([key]) => key !== name));
  const thrownBy = (token: string): unknown => {
    try {
      return guardian.accept(token);
    } catch (error) {
      return error;
    }
  };
  /** The reason, after making sure that a caller is not told it. */
  const refusal = (token: string): string => {
    const error = thrownBy(token);
    expect(error).toBeInstanceOf(ServiceError);
    expect(error).toMatchObject({ kind: 'unauthenticated', detail: 'Invalid or expired token' });
    const { fault } = (error as ServiceError).cause as ServiceTokenError;
    expect(faults.at(-1)).toBe(fault);
    return fault;
  };

  it('makes tokens that are JWTs to anybody else, too', async () => {
    const token = router.issueFor('guardian');
    const { payload, protectedHeader } = await jwtVerify(token, SECRET, {
      algorithms: ['HS256'],
      issuer: 'router',
      audience: 'guardian',
      currentDate: new Date(now * 1000),
    });
    expect(protectedHeader).toEqual(HEADER);
    expect(payload).toEqual({ iss: 'router', aud: 'guardian', iat: NOW, exp: NOW + 60, jti: expect.any(String) });
    expect(decodeJwt(router.issueFor('guardian')).jti).not.toBe(payload.jti);
  });

  it('takes tokens that somebody else made the same way', async () => {
    const made = (header: { alg: string; typ?: string }) =>
      new SignJWT(claims()).setProtectedHeader(header).sign(SECRET);
    expect(guardian.accept(await made(HEADER))).toBe('router');
    expect(guardian.accept(await made({ typ: 'JWT', alg: 'HS256' }))).toBe('router');
    expect(guardian.accept(await made({ alg: 'HS256' }))).toBe('router');
    expect(faults).toEqual([]);
  });

  it('takes a token once', () => {
    const token = router.issueFor('guardian');
    expect(guardian.accept(token)).toBe('router');
    expect(refusal(token)).toBe('replayed');
    expect(guardian.accept(router.issueFor('guardian'))).toBe('router');
    expect(guardian.remembered).toBe(2);
  });

  it('takes a jti once, whatever else the token says', () => {
    const jti = randomUUID();
    guardian.accept(signed(HEADER, claims({ jti })));
    expect(refusal(signed(HEADER, claims({ jti, iss: 'lobby', exp: now + 30 })))).toBe('replayed');
    expect(refusal(signed(HEADER, claims({ jti: jti.toUpperCase() })))).toBe('replayed');
  });

  it('knows a token again for as long as it holds, to the last second', () => {
    const token = router.issueFor('guardian');
    guardian.accept(token);
    for (now = NOW; now < NOW + 65; now++) expect(refusal(token)).toBe('replayed');
    expect(refusal(token)).toBe('expired');
    now += 15;
    expect(guardian.remembered).toBe(0);
  });

  it('remembers only what was good: strangers cannot fill the memory', () => {
    const token = router.issueFor('guardian');
    for (const bad of [signed(HEADER, claims(), 'z'.repeat(40)), tokens('router').issueFor('lobby'), 'a.b.c'])
      thrownBy(bad);
    expect(guardian.remembered).toBe(0);
    expect(guardian.accept(token)).toBe('router');
  });

  it('is unavailable while it cannot remember, and recovers when tokens expire', () => {
    guardian = tokens('guardian', { replayCapacity: 2 });
    guardian.accept(router.issueFor('guardian'));
    guardian.accept(router.issueFor('guardian'));
    expect(thrownBy(router.issueFor('guardian'))).toMatchObject({
      kind: 'unavailable',
      code: 'too_many_service_calls',
      retryAfter: 1,
    });
    expect(faults).toEqual(['no_room']);
    now += 80;
    expect(guardian.accept(router.issueFor('guardian'))).toBe('router');
  });

  it('takes no token from before it started, which the process before it may have taken already', () => {
    const token = router.issueFor('guardian');
    now += 5;
    expect(tokens('guardian').accept(token)).toBe('router');
    now += 1;
    guardian = tokens('guardian');
    expect(refusal(token)).toBe('before_start');
  });

  it.each([
    ['alg none', () => new UnsecuredJWT(claims()).encode()],
    ['alg None', () => signed({ alg: 'None', typ: 'JWT' }, claims())],
    ['alg HS512', () => signed({ alg: 'HS512', typ: 'JWT' }, claims())],
    ['alg hs256', () => signed({ alg: 'hs256', typ: 'JWT' }, claims())],
    ['alg as a list', () => signed({ alg: ['HS256'], typ: 'JWT' }, claims())],
    ['no alg', () => signed({ typ: 'JWT' }, claims())],
    ['another typ', () => signed({ alg: 'HS256', typ: 'at+jwt' }, claims())],
    ['crit', () => signed({ ...HEADER, crit: ['b64'], b64: false }, claims())],
    ['kid', () => signed({ ...HEADER, kid: '../../dev/null' }, claims())],
    ['jku', () => signed({ ...HEADER, jku: 'http://127.0.0.1:1/keys' }, claims())],
    ['x5u', () => signed({ ...HEADER, x5u: 'http://127.0.0.1:1/cert' }, claims())],
    ['jwk', () => signed({ ...HEADER, jwk: { kty: 'oct', k: encode(KEY) } }, claims())],
    ['cty', () => signed({ ...HEADER, cty: 'JWT' }, claims())],
    ['a list as header', () => signed([HEADER], claims())],
    ['no JSON as header', () => signed('HS256', claims())],
  ])('refuses a header with %s', (_name, token) => {
    expect(refusal(token())).toBe(_name === 'alg none' ? 'malformed' : 'header');
  });

  it('refuses what another key has signed, and what is only like a signature', async () => {
    expect(refusal(signed(HEADER, claims(), 'z'.repeat(40)))).toBe('signature');
    const token = router.issueFor('guardian');
    const [head, body, signature] = token.split('.') as [string, string, string];
    expect(refusal(`${head}.${body}.${signature.slice(0, -1)}`)).toBe('signature');
    expect(refusal(`${token}=`)).toBe('signature');
    expect(refusal(`${head}.${encode(claims())}.${signature}`)).toBe('signature');
    // The last character has two bits to spare: other spellings of the same bytes are none of ours.
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = letters[letters.indexOf(signature.at(-1)!) ^ 1]!;
    expect(Buffer.from(signature.slice(0, -1) + twin, 'base64url')).toEqual(Buffer.from(signature, 'base64url'));
    expect(refusal(`${head}.${body}.${signature.slice(0, -1)}${twin}`)).toBe('signature');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    expect(refusal(await new SignJWT(claims()).setProtectedHeader({ alg: 'RS256' }).sign(privateKey))).toBe('header');
    expect(guardian.accept(token)).toBe('router');
  });

  it.each(['', 'a', 'a.b', '..', 'a.b.c.d', `${'a'.repeat(8000)}`])('refuses what is no token: %.10s', (token) => {
    expect(refusal(token)).toBe('malformed');
  });

  it.each([
    ['no iss', () => without('iss'), 'claims'],
    ['an unknown iss', () => claims({ iss: 'stranger' }), 'claims'],
    ['iss as a list', () => claims({ iss: ['router'] }), 'claims'],
    ['no aud', () => without('aud'), 'claims'],
    ['another aud', () => claims({ aud: 'telemetry' }), 'audience'],
    ['aud in another case', () => claims({ aud: 'Guardian' }), 'audience'],
    ['aud as a list', () => claims({ aud: ['guardian'] }), 'claims'],
    ['no jti', () => without('jti'), 'claims'],
    ['a jti that is no UUID', () => claims({ jti: '1' }), 'claims'],
    ['no iat', () => without('iat'), 'claims'],
    ['iat as text', () => claims({ iat: String(now) }), 'claims'],
    ['iat in the future', () => claims({ iat: now + 6, exp: now + 60 }), 'not_yet_valid'],
    ['nbf in the future', () => claims({ nbf: now + 6 }), 'not_yet_valid'],
    ['no exp', () => without('exp'), 'claims'],
    ['exp as text', () => claims({ exp: String(now + 60) }), 'claims'],
    ['a fraction in exp', () => claims({ exp: now + 1.5 }), 'claims'],
    ['exp too far away', () => claims({ exp: now + 61 }), 'lifetime'],
    ['exp before iat', () => claims({ iat: now, exp: now - 1 }), 'lifetime'],
    ['exp past', () => claims({ iat: now - 5, exp: now - 5 }), 'expired'],
    ['no JSON', () => 'router', 'claims'],
    ['null', () => 'null', 'claims'],
  ])('refuses claims with %s', (_name, payload, fault) => {
    expect(refusal(signed(HEADER, payload()))).toBe(fault);
    expect(guardian.remembered).toBe(0);
  });

  it('tells by the issuer whose token it is, whatever else is in it', () => {
    expect(guardian.claimsToBeService(router.issueFor('lobby'))).toBe(true);
    expect(guardian.claimsToBeService(signed({ alg: 'none' }, { iss: 'router' }))).toBe(true);
    for (const other of [{ iss: 'idp' }, { sub: 'Scout' }, null, 'x', { iss: ['router'] }])
      expect(guardian.claimsToBeService(signed(HEADER, other))).toBe(false);
    expect(guardian.claimsToBeService('nothing')).toBe(false);
  });
});

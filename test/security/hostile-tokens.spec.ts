import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AuditLogger } from '#audit';
import { problem, validateResponse } from '#contracts';
import {
  startIdentityProvider,
  startService,
  TEST_JWT_SECRET,
  waitFor,
  type TestIdentityProvider,
  type TestService,
} from '#testing';
import { gatekeeper } from '../../apps/gatekeeper/src/app.module.js';
import { Clock } from '../../apps/gatekeeper/src/tokens/clock.js';
import { constant, ecdsa, ed25519, encode, forge, hmac, rsa, type Content } from './forge.js';

const ISSUER = 'https://identity.test';
const AUDIENCE = 'gravitas';
const DAY = 86_400;
const REVOKED_JTI = 'a token that was stolen';
const REVOKED_GHOST = 'Turncoat';

const pairs = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  weak: generateKeyPairSync('rsa', { modulusLength: 1024 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ec384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ed: generateKeyPairSync('ed25519'),
  encryption: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  leaked: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  strangerRsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  stranger: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  strangerEd: generateKeyPairSync('ed25519'),
};
const jwkOf = (key: KeyObject, members: object) => ({ ...key.export({ format: 'jwk' }), ...members });
const SHARED = Buffer.from('a symmetric key in a public document, of all things');
const PUBLISHED = [
  jwkOf(pairs.rsa.publicKey, { kid: 'rsa', alg: 'RS256', use: 'sig' }),
  jwkOf(pairs.ec.publicKey, { kid: 'ec', alg: 'ES256', use: 'sig' }),
  jwkOf(pairs.ed.publicKey, { kid: 'ed', alg: 'EdDSA', use: 'sig' }),
  jwkOf(pairs.weak.publicKey, { kid: 'weak' }),
  jwkOf(pairs.ec384.publicKey, { kid: 'ec384' }),
  jwkOf(pairs.encryption.publicKey, { kid: 'encryption', use: 'enc' }),
  jwkOf(pairs.leaked.privateKey, { kid: 'leaked' }),
  { kty: 'oct', k: SHARED.toString('base64url'), kid: 'shared' },
];

/** A clock that stands still: no fetch of keys is due while the cases run, so that whatever connects was made to by a token. */
const now = Date.now();
const seconds = Math.floor(now / 1000);

const claims = (more: object = {}) => ({
  sub: 'Supervisor',
  iss: ISSUER,
  aud: AUDIENCE,
  iat: seconds,
  exp: seconds + 300,
  jti: randomUUID(),
  ...more,
});
const without = (member: string) => Object.fromEntries(Object.entries(claims()).filter(([key]) => key !== member));
/** The claims as JSON text, with something of the attacker's in it. */
const claimsText = (more: string, base = claims()) => `${JSON.stringify(base).slice(0, -1)},${more}}`;

const signES = ecdsa(pairs.ec.privateKey);
const signHS = hmac(TEST_JWT_SECRET);
const es = (payload: Content = claims(), header: Content = { alg: 'ES256', typ: 'JWT', kid: 'ec' }) =>
  forge(header, payload, signES);
const hs = (payload: Content = claims(), header: Content = { alg: 'HS256', typ: 'JWT' }) =>
  forge(header, payload, signHS);
const pem = ({ publicKey }: { publicKey: KeyObject }) => publicKey.export({ type: 'spki', format: 'pem' });
const der = ({ publicKey }: { publicKey: KeyObject }) => publicKey.export({ type: 'spki', format: 'der' });
const parts = (token: string) => token.split('.') as [string, string, string];

/** Tokens that claim to be an admin's, by what is wrong with them. `canary` is a URL that must never be asked for. */
const CASES: [name: string, make: (canary: string) => string, reason?: RegExp][] = [
  // Algorithms
  ['alg none', () => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims())}.`],
  ['alg none with a signature', () => forge({ alg: 'none' }, claims(), constant(Buffer.alloc(32))), /header's alg/],
  ['alg None', () => forge({ alg: 'None' }, claims(), signHS), /header's alg/],
  ['alg nOnE', () => forge({ alg: 'nOnE' }, claims(), signHS), /header's alg/],
  ['alg NONE', () => forge({ alg: 'NONE' }, claims(), signHS), /header's alg/],
  ['an empty alg', () => forge({ alg: '' }, claims(), signHS), /header's alg/],
  ['no alg', () => forge({ typ: 'JWT' }, claims(), signHS), /header's alg/],
  ['alg null', () => forge({ alg: null }, claims(), signHS), /header's alg/],
  ['a list of algs', () => forge({ alg: ['HS256', 'none'] }, claims(), signHS), /header's alg/],
  ['alg hs256 in lower case', () => forge({ alg: 'hs256' }, claims(), signHS), /header's alg/],
  ['alg HS512', () => forge({ alg: 'HS512' }, claims(), signHS), /header's alg/],
  ['alg PS256', () => forge({ alg: 'PS256', kid: 'rsa' }, claims(), rsa(pairs.rsa.privateKey)), /header's alg/],
  ['HS256 with the RSA key as PEM', () => forge({ alg: 'HS256', kid: 'rsa' }, claims(), hmac(pem(pairs.rsa)))],
  ['HS256 with the RSA key as DER', () => forge({ alg: 'HS256', kid: 'rsa' }, claims(), hmac(der(pairs.rsa)))],
  ['HS256 with the EC key as PEM', () => forge({ alg: 'HS256', kid: 'ec' }, claims(), hmac(pem(pairs.ec)))],
  ['HS256 with the EC key as DER', () => forge({ alg: 'HS256', kid: 'ec' }, claims(), hmac(der(pairs.ec)))],
  [
    'HS256 with the published JWK as secret',
    () => forge({ alg: 'HS256' }, claims(), hmac(JSON.stringify(PUBLISHED[0]))),
  ],
  ['HS256 with a symmetric key of the key set', () => forge({ alg: 'HS256', kid: 'shared' }, claims(), hmac(SHARED))],
  ['HS256 with an empty secret', () => forge({ alg: 'HS256' }, claims(), hmac(''))],
  [
    'ES256 with an RSA key',
    () => forge({ alg: 'ES256', kid: 'rsa' }, claims(), rsa(pairs.rsa.privateKey)),
    /key is not/,
  ],
  ['RS256 with an EC key', () => forge({ alg: 'RS256', kid: 'ec' }, claims(), signES), /key is not known/],
  ['EdDSA with an EC key', () => forge({ alg: 'EdDSA', kid: 'ec' }, claims(), signES), /key is not known/],

  // Keys
  [
    'an EC key of another curve',
    () => forge({ alg: 'ES256', kid: 'ec384' }, claims(), ecdsa(pairs.ec384.privateKey)),
    /key is not known/,
  ],
  [
    'another curve under a good name',
    () => forge({ alg: 'ES256', kid: 'ec' }, claims(), ecdsa(pairs.ec384.privateKey)),
  ],
  [
    'an RSA key of 1024 bits',
    () => forge({ alg: 'RS256', kid: 'weak' }, claims(), rsa(pairs.weak.privateKey)),
    /key is not known/,
  ],
  [
    'a key for encryption',
    () => forge({ alg: 'ES256', kid: 'encryption' }, claims(), ecdsa(pairs.encryption.privateKey)),
    /key is not known/,
  ],
  [
    'a key whose private part was published',
    () => forge({ alg: 'ES256', kid: 'leaked' }, claims(), ecdsa(pairs.leaked.privateKey)),
    /key is not known/,
  ],
  [
    'another RSA key of that name',
    () => forge({ alg: 'RS256', kid: 'rsa' }, claims(), rsa(pairs.strangerRsa.privateKey)),
  ],
  ['another EC key of that name', () => forge({ alg: 'ES256', kid: 'ec' }, claims(), ecdsa(pairs.stranger.privateKey))],
  [
    'another Ed25519 key of that name',
    () => forge({ alg: 'EdDSA', kid: 'ed' }, claims(), ed25519(pairs.strangerEd.privateKey)),
  ],
  ['another secret', () => forge({ alg: 'HS256' }, claims(), hmac('x'.repeat(40)))],
  [
    'the key of a signature for another digest',
    () => forge({ alg: 'RS256', kid: 'rsa' }, claims(), rsa(pairs.rsa.privateKey, 'sha512')),
  ],
  ['a kid that nobody has', () => es(claims(), { alg: 'ES256', kid: 'unheard-of' }), /key is not known/],
  ['a kid that climbs', () => forge({ alg: 'HS256', kid: '../../../../dev/null' }, claims(), hmac(''))],
  ['a kid that climbs, for a public key', () => es(claims(), { alg: 'ES256', kid: '../../ec' }), /key is not known/],
  ['a kid that is a URL', (canary) => es(claims(), { alg: 'ES256', kid: canary }), /key is not known/],
  ['a kid that is a file URL', () => es(claims(), { alg: 'ES256', kid: 'file:///etc/passwd' }), /key is not known/],
  ['a kid that is SQL', () => forge({ alg: 'HS256', kid: "x' UNION SELECT 'secret' --" }, claims(), hmac('secret'))],
  ['a kid that is a command', () => es(claims(), { alg: 'ES256', kid: '$(curl evil)|ec' }), /key is not known/],
  ['a kid with NUL', () => es(claims(), { alg: 'ES256', kid: 'ec\0' }), /key is not known/],
  ['a kid that is a prototype', () => es(claims(), { alg: 'ES256', kid: '__proto__' }), /key is not known/],
  ['a kid that is a number', () => es(claims(), { alg: 'ES256', kid: 0 }), /header's kid/],
  ['a kid that is an object', () => es(claims(), { alg: 'ES256', kid: { ec: true } }), /header's kid/],
  ['a kid without end', () => es(claims(), { alg: 'ES256', kid: 'e'.repeat(201) }), /header's kid/],

  // Headers that would have somebody follow them
  ['jku', (canary) => es(claims(), { alg: 'ES256', kid: 'ec', jku: canary }), /jku/],
  ['x5u', (canary) => es(claims(), { alg: 'ES256', kid: 'ec', x5u: canary }), /x5u/],
  [
    'jku of a key of the attacker',
    (canary) => forge({ alg: 'ES256', kid: 'mine', jku: canary }, claims(), ecdsa(pairs.stranger.privateKey)),
    /jku/,
  ],
  [
    'jwk of a key of the attacker',
    () => forge({ alg: 'ES256', jwk: jwkOf(pairs.stranger.publicKey, {}) }, claims(), ecdsa(pairs.stranger.privateKey)),
    /jwk/,
  ],
  [
    'a symmetric jwk',
    () => forge({ alg: 'HS256', jwk: { kty: 'oct', k: 'c2VjcmV0' } }, claims(), hmac('secret')),
    /jwk/,
  ],
  ['x5c', () => es(claims(), { alg: 'ES256', kid: 'ec', x5c: ['MIIB'] }), /x5c/],
  ['crit', () => es(claims(), { alg: 'ES256', kid: 'ec', crit: ['exp'], exp: 1 }), /crit/],
  ['an empty crit', () => es(claims(), { alg: 'ES256', kid: 'ec', crit: [] }), /crit/],
  ['b64 false', () => es(claims(), { alg: 'ES256', kid: 'ec', b64: false, crit: ['b64'] }), /crit|b64/],
  ['b64 without crit', () => es(claims(), { alg: 'ES256', kid: 'ec', b64: false }), /b64/],
  ['zip', () => es(claims(), { alg: 'ES256', kid: 'ec', zip: 'DEF' }), /zip/],
  ['enc', () => es(claims(), { alg: 'ES256', kid: 'ec', enc: 'A256GCM' }), /enc/],
  ['another typ', () => es(claims(), { alg: 'ES256', kid: 'ec', typ: 'secevent+jwt' }), /header's typ/],
  ['a typ that is a list', () => es(claims(), { alg: 'ES256', kid: 'ec', typ: ['JWT'] }), /header's typ/],

  // Form
  ['a token that was cut', () => es().slice(0, -10)],
  ['a token without its signature', () => parts(es()).slice(0, 2).join('.')],
  ['an empty signature', () => `${parts(es()).slice(0, 2).join('.')}.`],
  ['an empty payload', () => `${parts(es())[0]}..${parts(es())[2]}`],
  ['an empty header', () => `.${parts(es())[1]}.${parts(es())[2]}`],
  ['only dots', () => '..'],
  ['four parts', () => `${es()}.e30`],
  ['five parts', () => `${es()}.e30.e30`],
  [
    'the form of a JWE',
    () => [{ alg: 'dir', enc: 'A256GCM' }, '', 'iv', 'text', 'tag'].map((part) => encode(part)).join('.'),
  ],
  [
    'JSON serialization',
    () => {
      const [p, payload, signature] = parts(es());
      return JSON.stringify({ payload, protected: p, signature });
    },
  ],
  ['padding after the signature', () => `${es()}==`, /signature is not base64url/],
  [
    'padding within',
    () => {
      const [h, p, s] = parts(es());
      return `${h}=.${p}.${s}`;
    },
    /header is not base64url/,
  ],
  [
    'a space within the signature',
    () => {
      const token = es();
      return `${token.slice(0, -4)} ${token.slice(-4)}`;
    },
  ],
  ['a tab before the signature', () => es().replace(/\.(?=[^.]*$)/, '.\t')],
  [
    'base64 instead of base64url',
    () => {
      const [h, p, s] = parts(es());
      return `${h}.${p}.${s.slice(0, -4)}+/+/`;
    },
    /signature is not base64url/,
  ],
  ['bits that no byte holds', () => respelled(es()), /signature is not base64url/],
  ['more than 8 KiB', () => es(claims({ filler: 'x'.repeat(6200) }))],
  ['twice 6 KiB', () => `${'A'.repeat(6000)}.${'A'.repeat(6000)}.AAAA`],
  ['a token after a token', () => `${es()} ${es()}`],

  // Signatures
  ['the psychic signature', () => forge({ alg: 'ES256', kid: 'ec' }, claims(), constant(Buffer.alloc(64)))],
  ['an ECDSA signature in DER', () => forge({ alg: 'ES256', kid: 'ec' }, claims(), rsa(pairs.ec.privateKey))],
  ['an Ed25519 signature of zeros', () => forge({ alg: 'EdDSA', kid: 'ed' }, claims(), constant(Buffer.alloc(64)))],
  ['an RSA signature of zeros', () => forge({ alg: 'RS256', kid: 'rsa' }, claims(), constant(Buffer.alloc(256)))],
  ['a signature of one byte', () => forge({ alg: 'ES256', kid: 'ec' }, claims(), constant(Buffer.alloc(1)))],
  [
    "another token's payload",
    () => {
      const [h, , s] = parts(es(claims({ sub: 'Scout' })));
      return `${h}.${encode(claims())}.${s}`;
    },
  ],
  [
    "another token's header",
    () => {
      const [, p, s] = parts(hs());
      return `${encode({ alg: 'ES256', kid: 'ec' })}.${p}.${s}`;
    },
  ],
  ['one bit less', () => flipped(es())],

  // JSON
  ['sub twice', () => es(claimsText('"sub":"Supervisor"', claims({ sub: 'Scout' }))), /"sub" is there twice/],
  [
    'sub twice, one of them escaped',
    () => es(claimsText('"s\\u0075b":"Supervisor"', claims({ sub: 'Scout' }))),
    /"sub" is there twice/,
  ],
  ['exp twice', () => es(claimsText(`"exp":${seconds + 60}`)), /"exp" is there twice/],
  ['alg twice', () => es(claims(), '{"alg":"none","kid":"ec","alg":"ES256"}'), /"alg" is there twice/],
  ['a member twice below', () => es(claimsText('"act":{"sub":"a","sub":"b"}')), /"sub" is there twice/],
  ['a payload that is a list', () => es('[]'), /payload is not a JSON object/],
  ['a payload that is null', () => es('null'), /payload is not a JSON object/],
  ['a payload that is text', () => es('"Supervisor"'), /payload is not a JSON object/],
  ['a payload that is no JSON', () => es('sub=Supervisor'), /not strict JSON/],
  ['a comment in the payload', () => es(`/**/${JSON.stringify(claims())}`), /not strict JSON/],
  ['more after the payload', () => es(`${JSON.stringify(claims())}{}`), /not strict JSON/],
  ['a byte order mark', () => es(`\ufeff${JSON.stringify(claims())}`), /not strict JSON/],
  ['a payload in Latin-1', () => es(Buffer.from(JSON.stringify(claims({ note: 'é' })), 'latin1')), /not strict JSON/],
  ['a payload in UTF-16', () => es(Buffer.from(JSON.stringify(claims()), 'utf16le')), /not strict JSON/],
  [
    'overlong UTF-8',
    () => es(Buffer.concat([Buffer.from('{"sub":"'), Buffer.from([0xc1, 0x93]), Buffer.from('upervisor"}')])),
    /not strict JSON/,
  ],
  ['brackets without end', () => es(`{"sub":"Supervisor","x":${'['.repeat(2000)}${']'.repeat(2000)}}`), /levels deep/],

  // Claims
  ['no exp', () => es(without('exp')), /exp/],
  ['exp as text', () => es(claims({ exp: String(seconds + 300) })), /exp/],
  ['exp with a fraction', () => es(claims({ exp: seconds + 300.5 })), /exp/],
  ['a negative exp', () => es(claims({ exp: -1 })), /expired/],
  ['exp null', () => es(claims({ exp: null })), /exp/],
  ['exp as a list', () => es(claims({ exp: [seconds + 300] })), /exp/],
  ['exp beyond all numbers', () => es(claimsText('"exp":1e999', without('exp') as never)), /exp/],
  ['exp in milliseconds', () => es(claims({ exp: now + 300_000 })), /longer than/],
  ['exp far away', () => es(claims({ exp: seconds + 400 * DAY })), /longer than/],
  [
    'exp a second too far from iat',
    () => es(claims({ iat: seconds - 10, exp: seconds - 9 + 366 * DAY })),
    /longer than/,
  ],
  ['exp 31 seconds ago', () => es(claims({ iat: seconds - 300, exp: seconds - 31 })), /expired/],
  ['nbf in the future', () => es(claims({ nbf: seconds + 60 })), /not yet good/],
  ['nbf as text', () => es(claims({ nbf: String(seconds) })), /nbf/],
  ['iat in the future', () => es(claims({ iat: seconds + 60 })), /future/],
  ['iat as text', () => es(claims({ iat: 'yesterday' })), /iat/],
  ['another issuer', () => es(claims({ iss: 'https://evil.test' })), /"iss"/],
  ['an issuer that looks the same', () => es(claims({ iss: 'https://іdentity.test' })), /"iss"/],
  ['an issuer with more behind', () => es(claims({ iss: `${ISSUER}/` })), /"iss"/],
  ['no issuer', () => es(without('iss')), /"iss"/],
  ['a list of issuers', () => es(claims({ iss: [ISSUER] })), /iss/],
  ['another audience', () => es(claims({ aud: 'elsewhere' })), /"aud"/],
  ['other audiences', () => es(claims({ aud: ['elsewhere', 'gravitas2'] })), /"aud"/],
  ['no audience', () => es(without('aud')), /"aud"/],
  ['an empty list of audiences', () => es(claims({ aud: [] })), /"aud"/],
  ['an audience that is an object', () => es(claims({ aud: { gravitas: true } })), /aud/],
  ['no sub', () => es(without('sub')), /sub/],
  ['an empty sub', () => es(claims({ sub: '' })), /sub/],
  ['sub as a number', () => es(claims({ sub: 1 })), /sub/],
  ['sub as a list', () => es(claims({ sub: ['Supervisor'] })), /sub/],
  ['a NUL in sub', () => es(claims({ sub: 'Supervisor\0' })), /sub/],
  ['a line break in sub', () => es(claims({ sub: 'Scout\nSupervisor' })), /sub/],
  ['half a character in sub', () => es(claimsText('"sub":"\\ud800"', without('sub') as never)), /sub/],
  ['a sub without end', () => es(claims({ sub: 'S'.repeat(201) })), /sub/],
  ['groups as text', () => es(claims({ groups: 'admin' })), /groups/],
  ['101 groups', () => es(claims({ groups: Array.from({ length: 101 }, (_, i) => `g${i}`) })), /groups/],
  ['tid as a number', () => es(claims({ tid: 1 })), /tid/],
  ['jti as a number', () => es(claims({ jti: 1 })), /jti/],
  ['a jti without end', () => es(claims({ jti: 'j'.repeat(201) })), /jti/],

  // Revoked
  ['a token that is revoked', () => es(claims({ jti: REVOKED_JTI })), /the token is revoked/],
  ['an HS256 token that is revoked', () => hs(claims({ jti: REVOKED_JTI })), /the token is revoked/],
  [
    'a token of a ghost that is revoked',
    () => es(claims({ sub: REVOKED_GHOST, groups: ['admin'] })),
    /the ghost is revoked/,
  ],
  [
    'such a token that does not say when it was issued',
    () => {
      const { iat: _, ...rest } = claims({ sub: REVOKED_GHOST, groups: ['admin'] });
      return es(rest);
    },
    /the ghost is revoked/,
  ],
];

/** What is wrong with these is the header field itself. */
const FIELDS: [name: string, field: (token: string) => string][] = [
  ['Bearer in Cyrillic letters', (token) => `Веаrеr ${token}`],
  ['Bearer in full width', (token) => `Ｂｅａｒｅｒ ${token}`],
  ['full-width dots', (token) => `Bearer ${token.replaceAll('.', '．')}`],
  ['a zero-width space before the token', (token) => `Bearer \u200b${token}`],
  ['a no-break space after Bearer', (token) => `Bearer\u00a0${token}`],
  ['a byte order mark before Bearer', (token) => `\ufeffBearer ${token}`],
  ['another scheme', (token) => `Basic ${token}`],
  ['no scheme', (token) => token],
  ['two schemes', (token) => `Bearer Bearer ${token}`],
  ['no token', () => 'Bearer'],
  ['a list of tokens', (token) => `Bearer ${token}, Bearer ${token}`],
  ['quotes around the token', (token) => `Bearer "${token}"`],
];

describe('hostile tokens', () => {
  let service: TestService;
  let provider: TestIdentityProvider;
  let canary: Server;
  let canaryUrl: string;
  let canaryConnections = 0;
  beforeAll(async () => {
    jest.spyOn(Clock.prototype, 'now').mockReturnValue(now);
    provider = await startIdentityProvider(PUBLISHED);
    canary = createServer((socket) => {
      canaryConnections++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => void canary.listen(0, '127.0.0.1', resolve));
    canaryUrl = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/keys`;
    service = await startService('gatekeeper', gatekeeper, {
      environment: {
        GATEKEEPER_JWKS_URL: provider.url,
        GATEKEEPER_JWT_ISSUER: ISSUER,
        GATEKEEPER_JWT_AUDIENCE: AUDIENCE,
      },
    });
    await waitFor('the first fetch', async () => (await validate(`Bearer ${es()}`)).status === 200);
    for (const what of [{ jti: REVOKED_JTI }, { ghost_id: REVOKED_GHOST }]) {
      const response = await fetch(`${service.url}/v1/tokens/revoke`, {
        method: 'POST',
        headers: { authorization: `Bearer ${es()}`, 'content-type': 'application/json' },
        body: JSON.stringify(what),
      });
      expect(response.status).toBe(200);
    }
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await service.close();
    await provider.goDown();
    await new Promise((resolve) => canary.close(resolve));
  });

  const RESOURCE = 'vaults/secret';

  /** Sends the field's UTF-8 bytes as they are. */
  const validate = (field: string) =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: unknown }>((resolve, reject) => {
      const body = JSON.stringify({ action: 'read', resource: RESOURCE });
      const headers = {
        authorization: Buffer.from(field).toString('latin1'),
        'content-type': 'application/json',
        'content-length': body.length,
      };
      const options = { method: 'POST', headers, timeout: 20_000, agent: false };
      const call = httpRequest(`${service.url}/validate`, options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) });
        });
      });
      call.on('timeout', () => call.destroy(new Error('no answer')));
      call.on('error', reject).end(body);
    });

  const eventsOf = async (requestId: unknown) => {
    await service.app.get(AuditLogger).flush();
    return service.database.query<{ reason: string }>(
      'SELECT result, action, resource, ghost_id, tenant_id, reason FROM audit_log WHERE request_id = $1',
      [requestId],
    );
  };

  /** 401 as the contract has it, one event, and nobody was asked. */
  const refuses = async (field: string, reason = /^/) => {
    const [connections, requests] = [provider.connections, provider.requests];
    const { status, headers, body } = await validate(field);
    expect(status).toBe(401);
    expect(headers['content-type']).toContain('application/problem+json');
    expect(headers['www-authenticate']).toBe('Bearer');
    const { request_id, ...document } = problem.parse(body);
    expect(document).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      detail: 'Invalid or expired token',
      code: 'invalid_token',
    });
    const events = await eventsOf(request_id);
    expect(events).toEqual([
      {
        result: 'UNAUTHENTICATED',
        action: 'read',
        resource: RESOURCE,
        ghost_id: null,
        tenant_id: 'default',
        reason: expect.stringMatching(/^Invalid or expired token/),
      },
    ]);
    expect(events[0]?.reason).toMatch(reason);
    expect([provider.connections, provider.requests]).toEqual([connections, requests]);
    expect(canaryConnections).toBe(0);
  };

  it.each([
    ['HS256', () => hs()],
    ['RS256', () => forge({ alg: 'RS256', kid: 'rsa' }, claims(), rsa(pairs.rsa.privateKey))],
    ['ES256', () => es()],
    ['EdDSA', () => forge({ alg: 'EdDSA', kid: 'ed' }, claims(), ed25519(pairs.ed.privateKey))],
    ['a typ of application/at+JWT', () => es(claims(), { alg: 'ES256', kid: 'ec', typ: 'application/at+JWT' })],
    ['no kid where there is one key', () => es(claims(), { alg: 'ES256' })],
    ['the least that must be in it', () => es({ sub: 'Supervisor', iss: ISSUER, aud: [AUDIENCE], exp: seconds + 60 })],
    ['exp within the leeway', () => es(claims({ iat: seconds - 300, exp: seconds - 29 }))],
    ['iat and nbf within the leeway', () => es(claims({ iat: seconds + 29, nbf: seconds + 29 }))],
    ['exp as far away as may be', () => es(claims({ exp: seconds + 366 * DAY }))],
    ['an admin of another name', () => es(claims({ sub: 'Änne 🦉', groups: ['admin'] }))],
  ])('are told from good ones: %s', async (_name, make) => {
    const { status, body } = await validate(`Bearer ${make()}`);
    expect(status).toBe(200);
    expect(validateResponse.parse(body).allowed).toBe(true);
  });

  it.each(CASES)('are refused: %s', async (_name, ...[make, reason]) => refuses(`Bearer ${make(canaryUrl)}`, reason));

  it.each(FIELDS)('are refused: %s', async (_name, field) => refuses(field(es())));

  it('are refused again, and a good token is still good', async () => {
    const stolen = es(claims({ jti: REVOKED_JTI }));
    await refuses(`Bearer ${stolen}`);
    await refuses(`Bearer ${stolen}`);
    expect((await validate(`Bearer ${es()}`)).status).toBe(200);
  });

  it('are no more good for any other endpoint', async () => {
    for (const [name, make] of CASES) {
      const response = await fetch(`${service.url}/v1/audit/stats`, {
        headers: { authorization: `Bearer ${make(canaryUrl)}`.replaceAll(/[\t\n]/g, ' ') },
      });
      await response.body?.cancel();
      expect([name, response.status]).toEqual([name, 401]);
    }
    expect(canaryConnections).toBe(0);
    expect(provider.requests).toBe(1);
  });
});

/** The same bytes, in base64url that is not canonical: the last character of 64 bytes holds two bits that count and four that do not. */
function respelled(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return token.slice(0, -1) + alphabet.charAt(alphabet.indexOf(token.at(-1) ?? '') + 1);
}

function flipped(token: string): string {
  const [header, payload, signature] = parts(token);
  const bytes = Buffer.from(signature, 'base64url');
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  return `${header}.${payload}.${bytes.toString('base64url')}`;
}

import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import request from 'supertest';
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
import { ecdsa, forge, hmac } from '../security/forge.js';

const MINUTE = 60_000;
const first = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const second = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const published = ({ publicKey }: typeof first, kid: string) => ({ ...publicKey.export({ format: 'jwk' }), kid });

describe('the identity provider is down', () => {
  let provider: TestIdentityProvider;
  let service: TestService;
  let time = Date.now();
  beforeAll(async () => {
    jest.spyOn(Clock.prototype, 'now').mockImplementation(() => time);
    provider = await startIdentityProvider([published(first, 'first')]);
    await provider.goDown();
    service = await startService('gatekeeper', gatekeeper, { environment: { GATEKEEPER_JWKS_URL: provider.url } });
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await service.close();
    await provider.goDown().catch(() => undefined);
  });

  const token = (kid: string, { privateKey } = first, sub = 'Supervisor') =>
    forge({ alg: 'ES256', kid }, { sub, exp: Math.floor(time / 1000) + 3600 }, ecdsa(privateKey));
  /** One that the gatekeeper's own key has signed. */
  const own = () =>
    forge({ alg: 'HS256' }, { sub: 'Supervisor', exp: Math.floor(time / 1000) + 3600 }, hmac(TEST_JWT_SECRET));
  const validate = (bearer: string) =>
    request(service.url)
      .post('/validate')
      .set('authorization', `Bearer ${bearer}`)
      .send({ action: 'read', resource: 'a' });
  /** Once the database answers it in time. */
  const health = async () => {
    const answer = await waitFor('health', async () => {
      const told = await request(service.url).get('/health');
      return told.status === 200 && told;
    });
    return (answer.body as { identity_provider: Record<string, unknown> }).identity_provider;
  };
  const metric = async (line: RegExp) => expect((await request(service.url).get('/metrics')).text).toMatch(line);

  it('from the start: the gatekeeper runs, says so, and its tokens are an outage and no refusal', async () => {
    const answer = await validate(token('first'));
    expect(answer.body).toMatchObject({ status: 503, code: 'identity_provider_unavailable' });
    expect(answer.headers['retry-after']).toBe('30');
    expect((await validate(own())).status).toBe(200);
    expect(await health()).toMatchObject({ keys: 0, age_seconds: null, failing_since: new Date(time).toISOString() });
    await metric(/^gravitas_jwks_fetches_total\{result="failed"\} 1$/m);
  });

  it('and comes back', async () => {
    await provider.comeBack();
    time += MINUTE;
    expect((await validate(token('first'))).status).toBe(200);
    expect(await health()).toEqual({ keys: 1, age_seconds: 0 });
    await metric(/^gravitas_jwks_age_seconds 0$/m);
  });

  it('for 10 minutes and more: tokens of known keys go on, those of others are an outage', async () => {
    await provider.goDown();
    const kept = token('first');
    const since = time;
    for (let minute = 1; minute <= 15; minute++) {
      time += MINUTE;
      expect((await validate(kept)).status).toBe(200);
      expect((await validate(token('first', first, `Ghost ${minute}`))).status).toBe(403);
      expect((await validate(token('second', second))).body).toMatchObject({
        status: 503,
        code: 'identity_provider_unavailable',
      });
    }
    const told = await health();
    expect(told).toMatchObject({ keys: 1, age_seconds: 15 * 60 });
    expect(Date.parse(told.failing_since as string)).toBe(since + MINUTE);
    expect((await validate(token('first', second))).status).toBe(401);
  });

  it('and comes back with other keys: what the old one signed is refused, also where it was remembered', async () => {
    provider.keys = [published(second, 'second')];
    const old = token('first');
    expect((await validate(old)).status).toBe(200);
    await provider.comeBack();
    time += MINUTE;
    expect((await validate(token('second', second))).status).toBe(200);
    expect((await validate(old)).status).toBe(401);
    expect(await health()).toEqual({ keys: 1, age_seconds: 0 });
  });

  it('or there and asked for 1,000 names in a second: it is asked once in 30 seconds', async () => {
    const before = provider.requests;
    for (const _burst of [1, 2]) {
      time += 30_000;
      const answers = await Promise.all(
        Array.from({ length: 500 }, (_, i) => validate(token(`unknown ${i}`)).then(({ status }) => status)),
      );
      expect(new Set(answers)).toEqual(new Set([401]));
    }
    await Promise.all(Array.from({ length: 500 }, (_, i) => validate(token(`more ${i}`))));
    expect(provider.requests - before).toBe(2);
  });

  it('never makes a token good that has expired meanwhile, though it is remembered', async () => {
    const remembered = token('second', second);
    expect((await validate(remembered)).status).toBe(200);
    await waitFor('the cache', async () => (await validate(remembered)).status === 200);
    time += 60 * MINUTE + 29_000;
    expect((await validate(remembered)).status).toBe(200);
    time += 2000;
    expect((await validate(remembered)).status).toBe(401);
    await metric(/^gravitas_token_cache_hits_total [1-9]/m);
  });
});

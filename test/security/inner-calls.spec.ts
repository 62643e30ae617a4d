import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { SERVICES, type ServiceName } from '#contracts';
import { ServiceTokens } from '#http';
import { agentToken, startService, TEST_SERVICE_KEY, waitFor, type TestService } from '#testing';
import { ALL_SERVICES } from '../support/services.js';
import { ask } from './ask.js';
import { RecordingProxy } from './recording-proxy.js';

const NAMES: ReadonlySet<unknown> = new Set(SERVICES);
/** How each service is called with a service's token that is good. */
const INNER: [ServiceName, string, object | undefined][] = [
  ['gatekeeper', 'POST /v1/tokens/introspect', { token: 'x' }],
  ['guardian', 'GET /stats', undefined],
  ['telemetry', 'GET /v1/telemetry/stats', undefined],
  ['router', 'GET /v1/models', undefined],
  ['lobby', 'GET /v1/models', undefined],
];

/** The five services, each behind somebody who listens. */
describe('calls between services', () => {
  const services = new Map<ServiceName, TestService>();
  const proxies = new Map<ServiceName, RecordingProxy>();
  const urls: Record<string, string> = {};
  const url = (name: ServiceName) => services.get(name)!.url;

  beforeAll(async () => {
    for (const { name, definition } of ALL_SERVICES) {
      const service = await startService(name, definition, { environment: { ...urls } });
      const proxy = await RecordingProxy.before(service.url);
      services.set(name, service);
      proxies.set(name, proxy);
      urls[`${name.toUpperCase()}_URL`] = proxy.url;
    }
  });
  afterAll(async () => {
    for (const service of [...services.values()].reverse()) await service.close();
    for (const proxy of proxies.values()) await proxy.close();
  });

  const overheard = (name: ServiceName) => proxies.get(name)!.tokens.filter((token) => NAMES.has(decodeJwt(token).iss));
  const metric = async (name: ServiceName, line: RegExp) =>
    Number(line.exec((await ask(url(name), 'GET /metrics', undefined)).text)?.[1] ?? 0);
  const refused = (name: ServiceName, reason: string) =>
    metric(name, new RegExp(`^gravitas_service_tokens_refused_total\\{reason="${reason}"\\} (\\d+)$`, 'm'));

  it('each show a token of their own, for this callee alone', async () => {
    const scout = await agentToken('Scout');
    const chat = { model: 'echo', messages: [{ role: 'user', content: 'hello' }] };
    const calls = Array.from({ length: 8 }, (_, i) =>
      ask(url('lobby'), 'POST /v1/chat/completions', scout, { ...chat, stream: i % 2 === 1 }),
    );
    for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
    for (const path of ['/v1/registry/models', '/v1/models', '/v1/history'])
      expect((await ask(url('lobby'), `GET ${path}`, scout)).status).toBe(200);
    // Both are sent in batches, a moment later.
    await waitFor('usage to be reported', () => overheard('telemetry').length > 0);
    await waitFor('events to be handed over', () => overheard('gatekeeper').some((t) => decodeJwt(t).iss === 'router'));

    const seen = new Set<unknown>();
    for (const name of ['gatekeeper', 'guardian', 'telemetry', 'router'] as const) {
      const tokens = overheard(name);
      expect(tokens.length).toBeGreaterThan(0);
      for (const { aud, iss, iat, exp, jti } of tokens.map((token) => decodeJwt(token))) {
        expect({ aud, toItself: iss === name, seconds: exp! - iat! }).toEqual({
          aud: name,
          toItself: false,
          seconds: 60,
        });
        expect(seen.has(jti)).toBe(false);
        seen.add(jti);
      }
    }
    for (const name of SERVICES) expect(await refused(name, 'replayed')).toBe(0);
    expect(await metric('guardian', /^gravitas_service_tokens_remembered (\d+)$/m)).toBeGreaterThan(0);
  });

  it.each(INNER)('are refused by the %s with a token that somebody has overheard', async (name, operation, body) => {
    const fresh = new ServiceTokens(name === 'lobby' ? 'router' : 'lobby', TEST_SERVICE_KEY).issueFor(name);
    expect((await ask(url(name), operation, fresh, body)).status).toBeLessThan(300);
    for (const token of [fresh, ...overheard(name).slice(0, 20)]) {
      const { status, text } = await ask(url(name), operation, token, body);
      expect([status, JSON.parse(text)]).toMatchObject([401, { detail: 'Invalid or expired token' }]);
    }
    expect(await refused(name, 'replayed')).toBeGreaterThan(0);
  });

  it('are an outage, and nobody else’s fault, where the keys differ', async () => {
    const { definition } = ALL_SERVICES.find(({ name }) => name === 'lobby')!;
    const { LOBBY_URL: _, ...peers } = urls;
    const environment = { ...peers, SERVICE_KEY: 'another service key, thirty-two characters or more' };
    const lobby = await startService('lobby', definition, { environment });
    try {
      const { status, text } = await ask(lobby.url, 'GET /v1/history', await agentToken('Scout'));
      expect([status, JSON.parse(text)]).toMatchObject([503, { code: 'gatekeeper_unavailable' }]);
      expect(await refused('gatekeeper', 'signature')).toBeGreaterThan(0);
    } finally {
      await lobby.close();
    }
  });
});

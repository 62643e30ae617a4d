import { generateKeyPairSync } from 'node:crypto';
import { type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '#logging';
import { startIdentityProvider, waitFor, type TestIdentityProvider } from '#testing';
import { Clock } from './clock.js';
import { RemoteKeys } from './remote-keys.js';

const MINUTE = 60_000;
const START = Date.parse('2026-01-01T00:00:00Z');
const OUTAGE = { kind: 'unavailable', code: 'identity_provider_unavailable' };

class SimulatedClock extends Clock {
  time = START;
  override now(): number {
    return this.time;
  }
}

const newKey = (kid: string) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  kid,
});

describe("the identity provider's keys", () => {
  let provider: TestIdentityProvider;
  let clock: SimulatedClock;
  let keys: RemoteKeys;
  let changes: number;
  let fetches: string[];
  let up: boolean;
  beforeEach(async () => {
    provider = await startIdentityProvider([newKey('one')]);
    up = true;
    clock = new SimulatedClock();
    changes = 0;
    fetches = [];
    keys = new RemoteKeys({
      url: provider.url,
      clock,
      logger: createLogger({ service: 'gatekeeper', level: 'silent' }),
      onChange: () => changes++,
      onFetch: (result) => fetches.push(result),
    });
  });
  afterEach(async () => {
    await keys.close();
    if (up) await provider.goDown();
  });

  const goDown = async () => {
    await provider.goDown();
    up = false;
  };
  const comeBack = async () => {
    await provider.comeBack();
    up = true;
  };
  const settled = (count: number) => waitFor(`${count} fetches`, () => fetches.length === count);

  it('are fetched once, however many ask at once, and then for 10 minutes not again', async () => {
    const found = await Promise.all(Array.from({ length: 50 }, () => keys.find('ES256', 'one')));
    expect(found.every((key) => key !== undefined)).toBe(true);
    clock.time += 10 * MINUTE - 1;
    await keys.find('ES256', 'one');
    expect([provider.requests, provider.connections, changes]).toEqual([1, 1, 1]);
  });

  it('are refreshed in the background when they are older, and say so only if they changed', async () => {
    await keys.find('ES256', 'one');
    clock.time += 10 * MINUTE;
    expect(await keys.find('ES256', 'one')).toBeDefined();
    await settled(2);
    expect(changes).toBe(1);
    provider.keys = [newKey('two')];
    clock.time += 10 * MINUTE;
    expect(await keys.find('ES256', 'one')).toBeDefined();
    await settled(3);
    expect(changes).toBe(2);
    expect(await keys.find('ES256', 'one')).toBeUndefined();
    expect(await keys.find('ES256', 'two')).toBeDefined();
  });

  it('of 1,000 unknown names in a second cost at most one fetch in 30 seconds', async () => {
    await keys.find('ES256', 'one');
    for (let second = 0; second < 90; second += 30) {
      for (let i = 0; i < 1000; i++) {
        clock.time += 1;
        expect(await keys.find('ES256', `unknown ${second} ${i}`)).toBeUndefined();
      }
      clock.time += 29_000;
    }
    // One at the start, one for each of the two later bursts: the first was within 30 seconds of the start.
    expect(provider.requests).toBe(3);
    clock.time += 30_000;
    await Promise.all(Array.from({ length: 1000 }, (_, i) => keys.find('ES256', `at once ${i}`)));
    expect(provider.requests).toBe(4);
  });

  it('that are new are found by their name once 30 seconds are over', async () => {
    await keys.find('ES256', 'one');
    provider.keys = [newKey('one'), newKey('two')];
    expect(await keys.find('ES256', 'two')).toBeUndefined();
    clock.time += 30_000;
    expect(await keys.find('ES256', 'two')).toBeDefined();
  });

  it('stay in force while the provider is down, for as long as it is; others are an outage', async () => {
    await keys.find('ES256', 'one');
    await goDown();
    for (let minute = 1; minute <= 60; minute++) {
      clock.time += MINUTE;
      expect(await keys.find('ES256', 'one')).toBeDefined();
    }
    await waitFor('a fetch that fails', () => fetches.includes('failed'));
    expect(keys.failing).toMatchObject({ since: expect.any(Number), problem: expect.any(String) });
    expect(keys.age).toBe(3600);
    await expect(keys.find('ES256', 'two')).rejects.toMatchObject(OUTAGE);
    await comeBack();
    clock.time += 30_000;
    expect(await keys.find('ES256', 'two')).toBeUndefined();
    expect([keys.failing, changes]).toEqual([undefined, 1]);
  });

  it('that were never there are an outage, until the provider is', async () => {
    await goDown();
    await expect(keys.find('ES256', 'one')).rejects.toMatchObject(OUTAGE);
    await comeBack();
    await expect(keys.find('ES256', 'one')).rejects.toMatchObject(OUTAGE);
    expect(provider.requests).toBe(0);
    clock.time += 30_000;
    expect(await keys.find('ES256', 'one')).toBeDefined();
  });

  it('are fetched again when the clock was set back', async () => {
    await keys.find('ES256', 'one');
    clock.time -= 60 * MINUTE;
    keys.refreshWhenStale();
    await settled(2);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['an error', (response) => response.writeHead(500).end('{"keys":[]}')],
    ['a redirect', (response) => response.writeHead(302, { location: '/elsewhere' }).end()],
    ['no JSON', (response) => response.end('<html>')],
    ['JSON that is no key set', (response) => response.end('{"error":"down"}')],
    ['more than 256 KiB', (response) => response.end(JSON.stringify({ keys: [], filler: 'x'.repeat(256 * 1024) }))],
    ['more than 100 keys', (response) => response.end(JSON.stringify({ keys: Array(101).fill({}) }))],
    [
      'half an answer',
      (response) => response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()),
    ],
  ])('are not replaced by %s', async (_name, answer) => {
    await keys.find('ES256', 'one');
    provider.answer = (_request, response) => answer(response);
    clock.time += 10 * MINUTE;
    keys.refreshWhenStale();
    await settled(2);
    expect(fetches).toEqual(['ok', 'failed']);
    expect(provider.requests).toBe(2);
    expect(await keys.find('ES256', 'one')).toBeDefined();
  });

  it('are waited for 5 seconds and not longer', async () => {
    provider.answer = () => undefined;
    await expect(keys.find('ES256', 'one')).rejects.toMatchObject(OUTAGE);
  });
});

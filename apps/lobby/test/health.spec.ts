import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createParser } from 'eventsource-parser';
import { type DetailedHealth } from '#contracts';
import { waitFor } from '#testing';
import { MAX_STREAMS } from '../src/health/health-streams.js';
import { Harness } from './harness.js';

const audit = {
  accepted: 1,
  persisted: 1,
  queued: 0,
  spooled: 0,
  dropped: 0,
  dead_lettered: 0,
  refused: 0,
  retries: 0,
  damaged: 0,
  batch_size: 1,
  lag_ms: 0,
  flush_ms: 0.5,
  fsync_ms: 0,
};

/** A service as far as its health goes. */
class Peer {
  status = 200;
  asked = 0;
  hangs = false;
  private readonly server: Server;

  constructor(readonly name: string) {
    this.server = createServer((_request, response) => {
      this.asked++;
      if (this.hangs) return;
      const status = this.status === 200 ? 'healthy' : 'unhealthy';
      const body = { status, service: name, version: '1', uptime_seconds: 1, database: status === 'healthy', audit };
      response.writeHead(this.status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  }

  async listen(): Promise<void> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

describe('the health of the system', () => {
  const peers = ['gatekeeper', 'guardian', 'router', 'telemetry'].map((name) => new Peer(name));
  const [gatekeeper, guardian, router] = peers as [Peer, Peer, Peer, Peer];
  let harness: Harness;
  beforeAll(async () => {
    await Promise.all(peers.map((peer) => peer.listen()));
    const urls: Record<string, string> = {};
    for (const { name, url } of peers) urls[`${name.toUpperCase()}_URL`] = url;
    harness = await Harness.start({ ...urls, LOBBY_HEALTH_INTERVAL_MS: '100' });
  });
  afterAll(async () => {
    await harness.close();
    await Promise.all(peers.map((peer) => peer.close()));
  });

  const detailed = async () => {
    const answer = await harness.get('nobody', '/health/detailed');
    return { code: answer.status, ...(answer.body as DetailedHealth) };
  };
  /** A look at which nobody was late who should not be. */
  const detailedWhen = (what: string, isIt: (seen: DetailedHealth) => boolean) =>
    waitFor(what, async () => {
      const seen = await detailed();
      return isIt(seen) && seen;
    });
  const isHealthy = ({ status }: DetailedHealth) => status === 'healthy';

  it('shows every service, its database and its audit queue, to anybody', async () => {
    const { code, services } = await detailedWhen('all to be healthy', isHealthy);
    expect(code).toBe(200);
    expect(Object.keys(services)).toEqual(['gatekeeper', 'guardian', 'telemetry', 'router', 'lobby']);
    expect(services.guardian).toEqual({
      status: 'healthy',
      database: true,
      audit,
      latency_ms: expect.any(Number) as unknown,
    });
    expect(services.lobby).toMatchObject({ status: 'healthy', database: true, audit: { dropped: 0 } });
  });

  it('is degraded, not unhealthy, while another service is', async () => {
    guardian.status = 503;
    const { code, status, services } = await detailedWhen(
      'the guardian to be unhealthy',
      ({ services }) => services.guardian?.status === 'unhealthy' && services.lobby?.status === 'healthy',
    ).finally(() => (guardian.status = 200));
    expect([code, status, services.guardian]).toMatchObject([
      200,
      'degraded',
      { status: 'unhealthy', database: false },
    ]);
  });

  it('waits two seconds for a service that hangs, and no longer', async () => {
    router.hangs = true;
    const { status, services } = await detailedWhen(
      'the router to be given up',
      ({ services }) => services.router?.status === 'unreachable' && services.lobby?.status === 'healthy',
    ).finally(() => (router.hangs = false));
    expect([status, services.router]).toMatchObject([
      'degraded',
      { status: 'unreachable', database: null, audit: null, error: 'does not answer within 2000 ms' },
    ]);
  });

  it('does not take one service for another', async () => {
    const confused = await Harness.start({ GUARDIAN_URL: gatekeeper.url, ROUTER_URL: 'http://127.0.0.1:1' });
    const look = async () => (await confused.get('nobody', '/health/detailed')).body as DetailedHealth;
    const { services } = await waitFor('an answer that is not late', async () => {
      const seen = await look();
      return !/within/.test(`${seen.services.guardian?.error} ${seen.services.router?.error}`) && seen;
    }).finally(() => confused.close());
    expect(services.guardian).toMatchObject({ status: 'unreachable', error: 'answers, but not as this service does' });
    expect(services.router).toMatchObject({ status: 'unreachable', error: 'does not answer' });
  });

  it('is 503 when the lobby itself is unhealthy', async () => {
    await harness.breakDatabase();
    const { code, status, services } = await detailed().finally(() => harness.mendDatabase());
    expect([code, status, services.lobby]).toMatchObject([503, 'unhealthy', { status: 'unhealthy', database: false }]);
    await detailedWhen('the lobby to recover', isHealthy);
  });

  const watch = (signal: AbortSignal) => fetch(`${harness.service.url}/health/stream`, { signal });

  it('streams it: at once, and again, for as long as somebody watches', async () => {
    const leave = new AbortController();
    const response = await watch(leave.signal);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events: { event: string | undefined; status: string }[] = [];
    const parser = createParser({
      onEvent: ({ event, data }) => events.push({ event, status: (JSON.parse(data) as DetailedHealth).status }),
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const readUntil = async (isIt: () => boolean) => {
      while (!isIt()) parser.feed((await reader.read()).value!);
    };
    const last = () => events.at(-1)?.status;
    try {
      await readUntil(() => events.length >= 2 && last() === 'healthy');
      guardian.status = 503;
      await readUntil(() => last() === 'degraded');
    } finally {
      guardian.status = 200;
      leave.abort();
    }
    expect(events.every(({ event }) => event === 'health')).toBe(true);
    await reader.read().catch(() => undefined);

    // Nobody watches any more: once the lobby has noticed, nobody is asked for longer than three intervals.
    await waitFor('the lobby to notice', async () =>
      (await harness.get('nobody', '/metrics')).text.includes('\ngravitas_lobby_health_streams 0\n'),
    );
    let still = { asked: -1, at: 0 };
    await waitFor('the questions to stop', () => {
      if (guardian.asked !== still.asked) still = { asked: guardian.asked, at: Date.now() };
      return Date.now() - still.at > 300;
    });
  });

  it('lets a hundred watch, asks once for all of them, and ends their streams when it stops', async () => {
    const leave = new AbortController();
    const watchers = await Promise.all(Array.from({ length: MAX_STREAMS }, () => watch(leave.signal)));
    expect(watchers.every(({ status }) => status === 200)).toBe(true);
    const refused = await watch(leave.signal);
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'too_many_streams' }]);

    const asked = guardian.asked;
    const start = Date.now();
    await waitFor('some rounds', () => guardian.asked >= asked + 3);
    expect(guardian.asked - asked).toBeLessThanOrEqual(4 + (Date.now() - start) / 100);

    await harness.service.stop();
    const ends = await Promise.all(watchers.map((watcher) => watcher.text()));
    expect(ends.every((text) => text.startsWith('event: health\n'))).toBe(true);
  });
});

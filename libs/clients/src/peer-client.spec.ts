import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { decodeJwt } from 'jose';
import { pino } from 'pino';
import { z } from 'zod';
import { type Problem } from '#contracts';
import { errorMessage } from '#errors';
import { ServiceTokens } from '#http';
import { waitFor } from '#testing';
import { PeerClient, type PeerCall, type PeerOptions } from './peer-client.js';

const KEY = 'a key that only this test knows, long enough';
const PROBLEM = 'application/problem+json';
const HTML = 'text/html';
/** The breaker waits by these; everything else goes on by itself. */
const ALL_BUT_TIMEOUTS = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
] as const;
const answer = z.object({ n: z.number() });
const unavailable = { kind: 'unavailable', code: 'guardian_unavailable', retryAfter: 1 };

describe('PeerClient', () => {
  let server: Server;
  let handle: (request: IncomingMessage, response: ServerResponse) => void;
  let seen: IncomingMessage[];
  let connections: number;
  let client: PeerClient;
  let clients: PeerClient[];

  const connect = (options: Partial<PeerOptions> = {}) => {
    const { port } = server.address() as AddressInfo;
    const tokens = new ServiceTokens('router', KEY);
    client = new PeerClient({
      name: 'guardian',
      url: `http://127.0.0.1:${port}`,
      tokens,
      timeoutMs: 20_000,
      ...options,
    });
    clients.push(client);
  };
  beforeEach(async () => {
    seen = [];
    clients = [];
    connections = 0;
    handle = (_request, response) => response.end('{"n":1}');
    server = createServer((request, response) => {
      seen.push(request);
      request.resume();
      handle(request, response);
    });
    server.keepAliveTimeout = 60_000;
    server.on('connection', () => connections++).listen(0, '127.0.0.1');
    await once(server, 'listening');
    connect();
  });
  const stopServer = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  afterEach(async () => {
    jest.useRealTimers();
    await Promise.all(clients.map((one) => one.close()));
    await stopServer();
  });

  const call = (overrides: Partial<PeerCall<typeof answer>> = {}) =>
    client.call({ method: 'POST', path: '/x', body: { a: 1 }, requestId: 'r1', response: answer, ...overrides });
  const status = (code: number, text = '{}', type = 'application/json', headers: Record<string, string> = {}) => {
    handle = (_request, response) => response.writeHead(code, { 'content-type': type, ...headers }).end(text);
  };
  const problem = (code: number, members: Partial<Problem> = {}, headers: Record<string, string> = {}) => {
    const body = {
      type: 'about:blank',
      title: 'No',
      status: code,
      detail: 'No',
      code: 'some_reason',
      request_id: 'r1',
    };
    status(code, JSON.stringify({ ...body, ...members }), `${PROBLEM}; charset=utf-8`, headers);
  };
  /** Calls until the server was asked: a process that stands still may be out of time before that. @returns how often, for one call */
  const triesOf = (overrides: Partial<PeerCall<typeof answer>>) => {
    let turn = 0;
    return waitFor('a call that the server sees', async () => {
      const requestId = `turn-${++turn}`;
      await expect(call({ ...overrides, requestId })).rejects.toMatchObject(unavailable);
      return seen.filter(({ headers }) => headers['x-request-id'] === requestId).length;
    });
  };
  const tokenOf = (request: IncomingMessage) => request.headers.authorization!.replace('Bearer ', '');

  it('calls as this service, for the peer, under the request id', async () => {
    expect(await call()).toEqual({ n: 1 });
    expect(seen[0]!.headers['x-request-id']).toBe('r1');
    expect(new ServiceTokens('guardian', KEY).accept(tokenOf(seen[0]!))).toBe('router');
  });

  it("passes an agent's token on", async () => {
    await call({ agentToken: 'agent.token' });
    expect(seen[0]!.headers.authorization).toBe('Bearer agent.token');
  });

  it('makes a token for each call and each try', async () => {
    handle = (_request, response) => (seen.length === 2 ? response.writeHead(503).end() : response.end('{"n":2}'));
    await call();
    await call({ idempotent: true });
    expect(new Set(seen.map((request) => decodeJwt(tokenOf(request)).jti)).size).toBe(3);
  });

  it('keeps a connection for the next call', async () => {
    for (let i = 0; i < 20; i++) await call();
    // A second one, where the first is not quite done when the next call begins.
    expect(connections).toBeLessThanOrEqual(2);
  });

  it("gives a refusal back in the peer's own words", async () => {
    problem(403, { code: 'policy_denied', audit_id: 'a1', error: { message: 'No' } });
    await expect(call()).rejects.toMatchObject({
      kind: 'forbidden',
      code: 'policy_denied',
      detail: 'No',
      extensions: { audit_id: 'a1' },
    });
    expect(seen).toHaveLength(1);
  });

  it.each([
    [400, 'invalid'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [409, 'conflict'],
    [413, 'too_large'],
    [429, 'rate_limited'],
  ])('takes a problem with status %d for a refusal, and asks once', async (code, kind) => {
    problem(code, {}, { 'retry-after': '7' });
    await expect(call({ idempotent: true })).rejects.toMatchObject({ kind, code: 'some_reason', retryAfter: 7 });
    expect(seen).toHaveLength(1);
  });

  it.each<[string, () => void]>([
    ['a 500', () => status(500)],
    ['a 500 with a problem', () => problem(500)],
    ["a proxy's 502", () => status(502, '<h1>Bad gateway</h1>', HTML)],
    ["a proxy's 404", () => status(404, '<h1>Not found</h1>', HTML)],
    ["a proxy's 403", () => status(403, '{"error":"no"}')],
    ["a proxy's 401", () => status(401, '', HTML)],
    ['a problem that is not as agreed', () => status(404, '{"title":"?"}', PROBLEM)],
    ['a problem of another status', () => problem(404, { status: 403 })],
    ['a problem in another type', () => status(404, '{"status":404,"code":"x"}', 'application/json')],
    ['a peer that does not have this route', () => problem(404, { code: 'not_found', detail: 'Cannot POST /x' })],
    ['a status that no service of ours has', () => problem(418)],
    ['a redirect', () => status(301, '', HTML, { location: 'http://127.0.0.1:1/' })],
    ['nothing', () => status(204, '')],
    ['a page in place of an answer', () => status(200, '<h1>Welcome</h1>', HTML)],
    ['an answer that is no JSON', () => status(200, '{"n":1')],
    ['an answer that is not as agreed', () => status(200, '{"m":1}')],
    ['a broken connection', () => (handle = (request) => request.socket.destroy())],
    ['something that is not HTTP', () => (handle = (request) => request.socket.end('SSH-2.0-OpenSSH\r\n'))],
    [
      'half a body and then the end',
      () =>
        (handle = (request, response) =>
          response.writeHead(200, { 'content-length': 7 }).write('{"n"', () => request.socket.destroy())),
    ],
    ['an answer without end', () => status(200, JSON.stringify({ n: 1, x: 'x'.repeat(5 * 1024 * 1024) }))],
  ])('takes %s for an outage', async (_name, arrange) => {
    arrange();
    await expect(call({ agentToken: 'agent.token' })).rejects.toMatchObject(unavailable);
    expect(seen).toHaveLength(1);
  });

  it.each<[string, typeof handle]>([
    ['no answer in time', () => undefined],
    [
      'half a body and then nothing',
      (_request, response) => void response.writeHead(200, { 'content-length': 7 }).write('{"n"'),
    ],
    [
      'an answer that trickles',
      (_request, response) => {
        const timer = setInterval(() => response.write(' '), 20);
        response.once('close', () => clearInterval(timer));
      },
    ],
  ])('takes %s for an outage', async (_name, answersLate) => {
    connect({ timeoutMs: 1000 });
    handle = answersLate;
    expect(await triesOf({ agentToken: 'agent.token' })).toBe(1);
  });

  it('takes a refused connection for an outage', async () => {
    await stopServer();
    await expect(call({ idempotent: true })).rejects.toMatchObject(unavailable);
  });

  it('waits no longer than the timeout for each try', async () => {
    handle = () => undefined;
    connect({ timeoutMs: 60_000 });
    const patient = jest.fn();
    call().catch(patient);
    connect({ timeoutMs: 1000 });
    await waitFor('two tries', async () => (await triesOf({ idempotent: true })) === 2);
    expect(patient).not.toHaveBeenCalled();
  });

  it('says when the peer wants to be asked again, within reason', async () => {
    status(503, '{}', 'application/json', { 'retry-after': '12' });
    await expect(call()).rejects.toMatchObject({ ...unavailable, retryAfter: 12 });
    problem(429, {}, { 'retry-after': '999999' });
    await expect(call()).rejects.toMatchObject({ kind: 'rate_limited', retryAfter: 3600 });
    problem(429, {}, { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' });
    await expect(call()).rejects.toMatchObject({ kind: 'rate_limited', retryAfter: undefined });
  });

  it('tries once more what may be repeated, and nothing else', async () => {
    handle = (_request, response) => (seen.length === 1 ? response.writeHead(503).end() : response.end('{"n":2}'));
    expect(await call({ idempotent: true })).toEqual({ n: 2 });
    seen.length = 0;
    await expect(call()).rejects.toMatchObject(unavailable);
    expect(seen).toHaveLength(1);
  });

  it('tries no more than once more', async () => {
    status(500);
    await expect(call({ idempotent: true })).rejects.toMatchObject(unavailable);
    expect(seen).toHaveLength(2);
  });

  it('notices that a kept connection was closed meanwhile', async () => {
    await call();
    const noticed = once(client.pool, 'disconnect');
    server.closeIdleConnections();
    await noticed;
    expect(await call()).toEqual({ n: 1 });
    expect(connections).toBe(2);
  });

  it('repeats on another connection what a kept one was closed under, if it may', async () => {
    handle = (request, response) =>
      seen.filter(({ socket }) => socket === request.socket).length === 2
        ? request.socket.destroy()
        : response.end('{"n":1}');
    await call();
    await sleep(20);
    expect(await call({ idempotent: true })).toEqual({ n: 1 });
    expect([seen.length, connections]).toEqual([3, 2]);
    await sleep(20);
    // Whether the peer has done it nobody knows: what may not be repeated is not.
    await expect(call()).rejects.toMatchObject(unavailable);
    expect(seen).toHaveLength(4);
  });

  it('takes a 401 for its own token for an outage, and tells the operator once', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'error' }, { write: (line) => lines.push(line) });
    connect({ logger });
    problem(401, { code: 'invalid_token' });
    for (let i = 0; i < 2; i++) {
      const error: unknown = await call().catch((reason: unknown) => reason);
      expect(error).toMatchObject(unavailable);
      expect(errorMessage(error)).toContain('SERVICE_KEY must be the same in both');
    }
    handle = (_request, response) => response.end('{"n":1}');
    await call();
    problem(401);
    await call().catch(() => undefined);
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      peer: 'guardian',
      msg: expect.stringContaining("does not accept this service's own token"),
    });
  });

  it("takes a 401 for an agent's token for what it is", async () => {
    problem(401, { code: 'invalid_token' });
    await expect(call({ agentToken: 'agent.token' })).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it.each<[string, () => void]>([
    ['fails', () => status(500)],
    ['says what was not agreed', () => status(200, 'hello')],
    ['does not know our key', () => problem(401)],
  ])('stops asking a peer that %s, tries again after a while, and goes on when it answers', async (_name, arrange) => {
    jest.useFakeTimers({ doNotFake: [...ALL_BUT_TIMEOUTS] });
    connect({ breakMs: 1500 });
    arrange();
    for (let i = 0; i < 12; i++) await call({ idempotent: true }).catch(() => undefined);
    const before = seen.length;
    await expect(call({ idempotent: true })).rejects.toMatchObject(unavailable);
    expect(seen).toHaveLength(before);

    jest.advanceTimersByTime(1500);
    await expect(call()).rejects.toMatchObject(unavailable);
    expect(seen).toHaveLength(before + 1);
    await expect(call()).rejects.toMatchObject(unavailable);
    expect(seen).toHaveLength(before + 1);

    handle = (_request, response) => response.end('{"n":1}');
    jest.advanceTimersByTime(1500);
    for (let i = 0; i < 5; i++) expect(await call()).toEqual({ n: 1 });
  });

  it('does not take refusals for failures', async () => {
    problem(404);
    for (let i = 0; i < 15; i++) await call().catch(() => undefined);
    expect(seen).toHaveLength(15);
  });

  it('has a limit to how many calls wait, and tells of calls and outages', async () => {
    const told: string[] = [];
    const meter = {
      begun: () => told.push('begun'),
      ended: () => told.push('ended'),
      outage: (peer: string) => told.push(`outage of ${peer}`),
    };
    connect({ maxPending: 2, meter });
    handle = () => undefined;
    const two = [call(), call()].map((waiting) => expect(waiting).rejects.toMatchObject(unavailable));
    const third: unknown = await call({ idempotent: true }).catch((reason: unknown) => reason);
    expect(third).toMatchObject(unavailable);
    expect(errorMessage(third)).toContain('2 calls to the guardian are under way already');
    await waitFor('both to be seen', () => seen.length === 2);
    for (const { socket } of seen) socket.destroy();
    await Promise.all(two);
    expect(told.sort()).toEqual(['begun', 'begun', 'ended', 'ended', ...Array<string>(3).fill('outage of guardian')]);
    handle = (_request, response) => response.end('{"n":1}');
    expect(await call()).toEqual({ n: 1 });
  });

  it('leaves nobody waiting when it is closed', async () => {
    connect({ timeoutMs: 60_000 });
    handle = () => undefined;
    const waiting = expect(call()).rejects.toMatchObject(unavailable);
    while (seen.length === 0) await sleep(5);
    await client.close();
    await waiting;
    await expect(call()).rejects.toMatchObject(unavailable);
  });
});

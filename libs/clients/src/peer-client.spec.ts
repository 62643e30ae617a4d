import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ServiceTokens } from '#http';
import { PeerClient, type PeerCall } from './peer-client.js';

const KEY = 'a key that only this test knows, long enough';
const answer = z.object({ n: z.number() });

describe('PeerClient', () => {
  let server: Server;
  let handle: (request: IncomingMessage, response: ServerResponse) => void;
  let seen: IncomingMessage[];
  let client: PeerClient;

  beforeEach(async () => {
    seen = [];
    handle = (_request, response) => response.end('{"n":1}');
    server = createServer((request, response) => {
      seen.push(request);
      request.resume();
      handle(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const tokens = new ServiceTokens('router', KEY);
    client = new PeerClient({ name: 'guardian', url: `http://127.0.0.1:${port}`, tokens, timeoutMs: 200 });
  });
  afterEach(async () => {
    await client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const call = (overrides: Partial<PeerCall<typeof answer>> = {}) =>
    client.call({ method: 'POST', path: '/x', body: { a: 1 }, requestId: 'r1', response: answer, ...overrides });
  const status = (code: number, text = '{}') => {
    handle = (_request, response) => response.writeHead(code).end(text);
  };

  it('calls as this service, for the peer, under the request id', async () => {
    expect(await call()).toEqual({ n: 1 });
    expect(seen[0]!.headers['x-request-id']).toBe('r1');
    const token = seen[0]!.headers.authorization!.replace('Bearer ', '');
    expect(await new ServiceTokens('guardian', KEY).verify(token)).toBe('router');
  });

  it("passes an agent's token on", async () => {
    await call({ agentToken: 'agent.token' });
    expect(seen[0]!.headers.authorization).toBe('Bearer agent.token');
  });

  it("gives a refusal back in the peer's own words", async () => {
    const problem = {
      type: 'about:blank',
      title: 'Forbidden',
      status: 403,
      detail: 'No',
      code: 'policy_denied',
      request_id: 'r1',
    };
    status(403, JSON.stringify({ ...problem, audit_id: 'a1', error: { message: 'No' } }));
    await expect(call()).rejects.toMatchObject({
      kind: 'forbidden',
      code: 'policy_denied',
      detail: 'No',
      extensions: { audit_id: 'a1' },
    });
  });

  it.each([
    ['a 5xx', () => status(500)],
    ['an answer that is not as agreed', () => status(200, '{"m":1}')],
    ['no answer in time', () => (handle = () => undefined)],
    ['a broken connection', () => (handle = (request) => request.socket.destroy())],
  ])('takes %s for an outage', async (_name, arrange) => {
    arrange();
    await expect(call()).rejects.toMatchObject({ kind: 'unavailable', code: 'guardian_unavailable' });
  });

  it('tries once more what may be repeated, and nothing else', async () => {
    handle = (_request, response) => (seen.length === 1 ? response.writeHead(503).end() : response.end('{"n":2}'));
    expect(await call({ idempotent: true })).toEqual({ n: 2 });
    seen.length = 0;
    await expect(call()).rejects.toMatchObject({ kind: 'unavailable' });
    expect(seen).toHaveLength(1);
  });

  it('stops asking a peer that keeps failing', async () => {
    status(500);
    for (let i = 0; i < 12; i++) await call().catch(() => undefined);
    const before = seen.length;
    await expect(call()).rejects.toMatchObject({ kind: 'unavailable' });
    expect(seen).toHaveLength(before);
  });

  it('does not take refusals for failures', async () => {
    status(404);
    for (let i = 0; i < 15; i++) await call().catch(() => undefined);
    expect(seen).toHaveLength(15);
  });
});

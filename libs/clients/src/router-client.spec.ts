import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceTokens } from '#http';
import { RouterClient } from './router-client.js';

describe('RouterClient.chat', () => {
  let server: Server;
  let answer: (response: ServerResponse) => void;
  let router: RouterClient;
  beforeEach(async () => {
    server = createServer((request, response) => {
      request.resume();
      answer(response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    router = new RouterClient({ name: 'router', url, tokens: new ServiceTokens('lobby', 'k'.repeat(32)) });
  });
  afterEach(async () => {
    await router.close();
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });

  const chat = () => router.chat('agent.token', {}, 'r1', new AbortController().signal);
  const says = (status: number, type: string, text: string, headers: Record<string, string> = {}) => {
    answer = (response) => response.writeHead(status, { 'content-type': type, ...headers }).end(text);
  };

  it.each([
    [200, 'application/json; charset=utf-8'],
    [200, 'text/event-stream'],
    [403, 'application/problem+json; charset=utf-8'],
    [503, 'application/problem+json'],
  ])('hands over a %d of %s as it comes', async (status, type) => {
    says(status, type, 'text');
    const { statusCode, body } = await chat();
    expect([statusCode, await body.text()]).toEqual([status, 'text']);
  });

  it.each([
    [404, 'text/html'],
    [403, 'application/json'],
    [401, 'text/plain'],
    [200, 'text/html'],
    [204, 'application/json'],
    [301, 'text/html'],
    [502, 'text/html'],
  ])('takes a %d of %s for an outage: it is not the router that says so', async (status, type) => {
    says(status, type, '<h1>Hello</h1>', { 'retry-after': '3' });
    await expect(chat()).rejects.toMatchObject({ kind: 'unavailable', code: 'router_unavailable', retryAfter: 3 });
  });

  it('takes a connection that is closed without an answer for an outage', async () => {
    answer = (response) => response.destroy();
    await expect(chat()).rejects.toMatchObject({ kind: 'unavailable', code: 'router_unavailable' });
  });
});

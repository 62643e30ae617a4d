import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { HttpResources } from './resources.js';

describe('resources by HTTP', () => {
  let server: Server;
  const serve = async (listener: RequestListener): Promise<HttpResources> => {
    server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new HttpResources(`http://127.0.0.1:${(server.address() as AddressInfo).port}/log/`, 'the token');
  };
  const problem = (status: number, code: string) =>
    serve((_, response) =>
      response
        .writeHead(status, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify({ status, code, detail: `the detail of ${code}` })),
    );
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it('are asked for with the token, and again when the answer fails for a moment', async () => {
    const asked: unknown[] = [];
    const resources = await serve(({ url, headers }, response) => {
      asked.push([url, headers.authorization]);
      if (asked.length === 1) response.writeHead(503).end();
      else response.end('here');
    });
    expect(String(await resources.read('tile/0/000', 4))).toBe('here');
    expect(asked).toEqual(Array(2).fill(['/log/tile/0/000', 'Bearer the token']));
  });

  it('are not there, or may not be read, or are not for HTTP to tell of', async () => {
    expect(await (await problem(404, 'tile_not_found')).read('x', 10)).toBeUndefined();
    server.close();
    await expect((await problem(404, 'bundle_dropped')).read('x', 10)).rejects.toThrow('dropped under a seal');
    server.close();
    await expect((await problem(500, 'log_damaged')).read('x', 10)).rejects.toThrow('the detail of log_damaged');
    server.close();
    await expect((await problem(401, 'unauthenticated')).read('x', 10)).rejects.toThrow('GRAVITAS_TOKEN');
    server.close();
    await expect((await problem(403, 'denied')).read('x', 10)).rejects.toThrow('may not read this log');
  });

  it('are bounded', async () => {
    const resources = await serve((_, response) => response.end('x'.repeat(100)));
    expect((await resources.read('x', 100))?.length).toBe(100);
    await expect(resources.read('x', 99)).rejects.toThrow('has more than 99 bytes');
  });
});

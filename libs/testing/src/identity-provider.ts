import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo } from 'node:net';

/** A real HTTP server that publishes keys as an identity provider does, and counts who comes. */
export interface TestIdentityProvider {
  /** Where the key set is. */
  url: string;
  keys: object[];
  /** In place of the key set: an outage, a redirect, nonsense. */
  answer: RequestListener | undefined;
  connections: number;
  requests: number;
  /** Refuses connections from now on. */
  goDown: () => Promise<void>;
  /** Listens again, at the same address. */
  comeBack: () => Promise<void>;
}

export async function startIdentityProvider(keys: object[] = []): Promise<TestIdentityProvider> {
  const server = createServer((request, response) => {
    provider.requests++;
    if (provider.answer) provider.answer(request, response);
    else response.setHeader('content-type', 'application/jwk-set+json').end(JSON.stringify({ keys: provider.keys }));
  });
  const listen = (port: number) => new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  server.on('connection', () => provider.connections++);
  const provider: TestIdentityProvider = {
    url: `http://127.0.0.1:${port}/jwks`,
    keys,
    answer: undefined,
    connections: 0,
    requests: 0,
    goDown: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    comeBack: () => listen(port),
  };
  return provider;
}

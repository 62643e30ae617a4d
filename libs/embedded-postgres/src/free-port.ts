import { createServer } from 'node:net';
import { EmbeddedPostgresError } from './errors.js';

const HOST = '127.0.0.1';
const TRIES = 200;

/** True when nothing listens on this port of 127.0.0.1. Port 0 asks whether the system has any port left. */
export async function isPortFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== undefined;
}

/**
 * The preferred port when it is free, otherwise the next free one above it; without a preference, one the system picks.
 * Somebody may take it between the check and the use: callers retry.
 * @throws EmbeddedPostgresError `no_free_port` when 200 ports in a row are taken.
 */
export async function findFreePort(preferred?: number): Promise<number> {
  const first = preferred ?? 0;
  for (let port = first; port < Math.min(first + TRIES, 65_536); port += 1) {
    const found = await tryPort(port);
    if (found !== undefined) return found;
  }
  throw new EmbeddedPostgresError('no_free_port', `No free port on ${HOST} between ${first} and ${first + TRIES - 1}.`);
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: HOST, port, exclusive: true }, () => {
      const address = server.address();
      const found = typeof address === 'object' && address ? address.port : undefined;
      server.close(() => resolve(found));
    });
  });
}

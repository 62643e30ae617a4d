import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findFreePort } from '#embedded-postgres';
import { APPS, variable } from './apps.js';
import { takenPorts } from './ports.js';

describe('takenPorts', () => {
  let env: Record<string, string>;
  let server: Server | undefined;

  beforeEach(async () => {
    const ports = await freePorts(APPS.length);
    env = Object.fromEntries(APPS.map((app, index) => [variable(app, 'PORT'), String(ports[index])]));
  });

  afterEach(async () => {
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    server = undefined;
  });

  it('has nothing to say when all are free', async () => {
    expect(await takenPorts(env)).toEqual([]);
  });

  it.each(['127.0.0.1', '0.0.0.0'])('says which port is taken and by which process (on %s)', async (host) => {
    const port = Number(env['GUARDIAN_PORT']);
    server = createServer();
    await new Promise<void>((resolve) => server?.listen(port, host, resolve));
    const lines = await takenPorts(env);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`Port ${port} (guardian) is taken by pid ${process.pid} (`);
    expect(lines[0]).toContain('GUARDIAN_PORT');
  });

  it('notices one port given to two services', async () => {
    const lines = await takenPorts({ ...env, ROUTER_PORT: env['LOBBY_PORT'] });
    expect(lines).toEqual([expect.stringMatching(/given to both lobby and router/)]);
  });
});

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await findFreePort());
  return [...ports];
}

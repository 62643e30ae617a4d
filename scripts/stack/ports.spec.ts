import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { findFreePort } from '#embedded-postgres';
import { waitFor } from '#testing';
import { APPS, variable } from './apps.js';
import { takenPorts } from './ports.js';

describe('takenPorts', () => {
  let server: Server | undefined;

  /** What it says of ports of which `taken` are taken. Others may be lost to another program meanwhile: then of other ports. */
  const linesOf = (taken: number, change: (env: Record<string, string>) => Record<string, string>): Promise<string[]> =>
    waitFor('ports that are free', async () => {
      const ports = await freePorts(APPS.length);
      const env = Object.fromEntries(APPS.map((app, index) => [variable(app, 'PORT'), String(ports[index])]));
      const lines = await takenPorts({ ...env, ...change(env) });
      return lines.length <= taken && lines;
    });

  afterEach(async () => {
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    server = undefined;
  });

  it('has nothing to say when all are free', async () => {
    expect(await linesOf(0, () => ({}))).toEqual([]);
  });

  it.each(['127.0.0.1', '0.0.0.0'])('says which port is taken and by which process (on %s)', async (host) => {
    server = createServer();
    await new Promise<void>((resolve) => server?.listen(0, host, resolve));
    const { port } = server.address() as AddressInfo;
    const lines = await linesOf(1, () => ({ GUARDIAN_PORT: String(port) }));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`Port ${port} (guardian) is taken by pid ${process.pid} (`);
    expect(lines[0]).toContain('GUARDIAN_PORT');
  });

  it('notices one port given to two services', async () => {
    const lines = await linesOf(1, (env) => ({ ROUTER_PORT: env['LOBBY_PORT']! }));
    expect(lines).toEqual([expect.stringMatching(/given to both lobby and router/)]);
  });
});

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await findFreePort());
  return [...ports];
}

import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '#embedded-postgres';
import { type Side } from '#decomposition';

/** A PostgreSQL that may be killed, and is found at the same place afterwards. */
export interface MortalServer {
  /** Superuser's, to the maintenance database. */
  url: string;
  /** All of its processes at once. */
  kill: () => Promise<void>;
  start: () => Promise<void>;
}

export interface TwoServers extends Readonly<Record<Side, MortalServer>> {
  stop: () => Promise<void>;
}

/** As they come, a subscription waits 5 s before it tries again: too long for a test of many kills. */
const SETTINGS = { wal_retrieve_retry_interval: '500ms' };

/** One for the source and one for the target, beside the one that all tests share. */
export async function startTwoServers(): Promise<TwoServers> {
  const root = await mkdtemp(join(tmpdir(), 'gravitas-kills-'));
  await chmod(root, 0o711);
  const running: EmbeddedPostgres[] = [];
  const start = async (side: Side): Promise<MortalServer> => {
    const password = randomBytes(18).toString('base64url');
    const options = { dataDir: join(root, side), password, durable: false, settings: SETTINGS };
    const { url, port } = await new EmbeddedPostgres(options).start();
    const server = new EmbeddedPostgres({ ...options, port });
    running.push(server);
    return {
      url,
      kill: () => server.kill(),
      start: async () => {
        const again = await server.start();
        if (again.port !== port) throw new Error(`the ${side}'s port ${port} was taken meanwhile`);
      },
    };
  };
  const [source, target] = [await start('source'), await start('target')];
  return {
    source,
    target,
    stop: async () => {
      for (const server of running) await server.stop('immediate');
      await rm(root, { recursive: true, maxRetries: 3 });
    },
  };
}

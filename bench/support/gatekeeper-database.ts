import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { connectionUrl, migrateAtBoot, provision, roleUrl, serviceDatabase, type DatabaseRole } from '#database';
import { EmbeddedPostgres } from '#embedded-postgres';
import { migrations } from '../../apps/gatekeeper/migrations/index.js';
import { type BenchContext } from '../harness/bench.js';

export interface GatekeeperDatabase {
  /** The database as one of the gatekeeper's roles. */
  urlOf: (role: DatabaseRole) => string;
  /** A superuser's connection to the same database. */
  admin: pg.Client;
  /** A path of the server's own, for files that it reads and writes. */
  serverFile: (name: string) => string;
  /** Empties the trail and writes out what the server still has in hand, so that each part starts from the same. */
  reset: () => Promise<void>;
  close: () => Promise<void>;
}

/** The gatekeeper's database as `npm start` makes it: the same server settings, roles, tables, indexes and months. */
export async function startGatekeeperDatabase({ directory, progress }: BenchContext): Promise<GatekeeperDatabase> {
  progress('starting PostgreSQL');
  const dataDir = join(directory, 'postgres');
  const server = new EmbeddedPostgres({ dataDir, password: randomBytes(18).toString('base64url') });
  const { url } = await server.start();
  const database = 'gravitas_gatekeeper';
  const spec = await serviceDatabase('gatekeeper', database, () => randomBytes(18).toString('base64url'));
  await provision(url, [spec]);
  await migrateAtBoot({
    service: 'gatekeeper',
    url: roleUrl(url, spec, 'owner'),
    runtimeRole: spec.runtime.name,
    entities: [],
    migrations,
  });
  const admin = new pg.Client({ connectionString: connectionUrl(url, { database }) });
  // The server is stopped under it when the run is ended early.
  admin.on('error', () => undefined);
  await admin.connect();
  await admin.query('SELECT ensure_audit_partitions(1, 3)');
  return {
    urlOf: (role) => roleUrl(url, spec, role),
    admin,
    serverFile: (name) => join(dataDir, name),
    reset: async () => {
      await admin.query(
        'TRUNCATE audit_log, event_entities, tlog_trees, tlog_tiles, tlog_leaves, tlog_checkpoints CASCADE',
      );
      await admin.query('CHECKPOINT');
    },
    close: async () => {
      await admin.end();
      await server.stop();
    },
  };
}

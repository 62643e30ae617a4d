import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import {
  connectionUrl,
  type DatabaseSpec,
  migrateAtBoot,
  provision,
  roleUrl,
  serviceDatabase,
  type DatabaseRole,
} from '#database';
import { EmbeddedPostgres } from '#embedded-postgres';
import { migrations } from '../../apps/gatekeeper/migrations/index.js';

const NAME = 'gravitas_gatekeeper';
/** Below the ports that systems hand out by themselves, so that it is still free after a restart. */
const PORTS = { from: 20_000, count: 10_000 };
const MONTHS_BACK = 1;
const MONTHS_AHEAD = 3;
const COPY_TIMEOUT_MS = 500;

/** A PostgreSQL of its own with the gatekeeper's schema, that can be stopped, killed and started again. */
export class TrailServer {
  private url = '';

  private constructor(
    private readonly postgres: EmbeddedPostgres,
    private readonly spec: DatabaseSpec,
  ) {}

  /** @param root a directory that the server's user can enter; its owner removes it */
  static async create(root: string): Promise<TrailServer> {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    // Only the loss of power is left out: what is committed survives a kill of the server.
    const options = { dataDir: join(root, 'postgres'), password: password(), port, durable: false };
    const spec = await serviceDatabase('gatekeeper', NAME, password);
    const server = new TrailServer(new EmbeddedPostgres(options), spec);
    await server.start();
    await server.prepare();
    return server;
  }

  /** The database as one of its roles, where the server was last started. */
  urlOf(role: DatabaseRole): string {
    return roleUrl(this.url, this.spec, role);
  }

  /** Sees the whole trail, and may empty it. */
  get superuserUrl(): string {
    return connectionUrl(this.url, { database: NAME });
  }

  /** Nothing happens when it runs. */
  async start(): Promise<void> {
    this.url = (await this.postgres.start()).url;
  }

  stop(): Promise<void> {
    return this.postgres.stop();
  }

  /**
   * SIGKILL for the whole server, as soon as a batch is on its way into the trail, or after half a second without one.
   * @returns whether there was one
   */
  async killInMidBatch(): Promise<boolean> {
    const copying = await this.waitForCopy();
    await this.postgres.kill();
    return copying;
  }

  private async prepare(): Promise<void> {
    await provision(this.url, [this.spec]);
    const url = this.urlOf('owner');
    await migrateAtBoot({ service: 'gatekeeper', url, runtimeRole: NAME, entities: [], migrations });
    await withClient(url, (client) =>
      client.query('SELECT ensure_audit_partitions($1, $2)', [MONTHS_BACK, MONTHS_AHEAD]),
    );
  }

  private waitForCopy(): Promise<boolean> {
    const deadline = Date.now() + COPY_TIMEOUT_MS;
    return withClient(this.url, async (client) => {
      while (Date.now() < deadline) {
        const { rows } = await client.query<{ copying: boolean }>(
          `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY audit_log%') AS copying`,
        );
        if (rows[0]?.copying) return true;
        await sleep(1);
      }
      return false;
    });
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000 });
  // A connection that breaks is reported by the next query.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function password(): string {
  return randomBytes(18).toString('base64url');
}

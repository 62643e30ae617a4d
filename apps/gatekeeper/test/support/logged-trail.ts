import { generateKeyPairSync, randomUUID } from 'node:crypto';
import pg from 'pg';
import { PostgresSink } from '#audit';
import { type AuditEvent } from '#contracts';
import { connectionUrl, createPool, migrateAtBoot, roleOf } from '#database';
import { createTestDatabase, testPostgresUrl, waitFor, type TestDatabase } from '#testing';
import { NoteSigner, type NoteVerifier } from '#tlog';
import { migrations } from '../../migrations/index.js';
import { DatabaseTrail, verifyTrail, type TrailVerdict, type VerifyTrailOptions } from '../../src/notary/core/index.js';
import { Sequencer } from '../../src/notary/core/sequencer.js';

export const logSigner = (name = 'test'): NoteSigner =>
  new NoteSigner(
    name,
    Buffer.from(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }).d!, 'base64url'),
  );

export function logEvent(
  tenant: string,
  number: number,
  timestamp = new Date(Date.now() - (number % 1000)),
): AuditEvent {
  return {
    id: randomUUID(),
    tenant_id: tenant,
    timestamp: timestamp.toISOString(),
    service: 'router',
    ghost_id: `Scout ${number % 7}`,
    shell_id: null,
    action: 'execute',
    resource: `shells/l1/${number}`,
    result: number % 3 === 0 ? 'DENIED' : 'ALLOWED',
    reason: 'because',
    request_id: null,
    session_id: null,
    entities: [{ kind: 'user', id: `${number}` }],
    metadata: { number, nested: { b: 1, a: [true, null, 1.5] } },
    producer: null,
    sequence: null,
  };
}

/** A copy of a trail that somebody may tamper with. */
export interface Copy {
  notaryUrl: string;
  runtimeUrl: string;
  superuserUrl: string;
  /** As the superuser. */
  query: TestDatabase['query'];
}

/** A trail with its logs, written by the real sink and the real sequencer. */
export class LoggedTrail {
  private constructor(
    readonly database: TestDatabase,
    readonly signer: NoteSigner,
    private readonly pool: pg.Pool,
    readonly sink: PostgresSink,
  ) {}

  static async make(signer = logSigner()): Promise<LoggedTrail> {
    const database = await createTestDatabase('gatekeeper');
    const runtimeRole = roleOf(database.runtimeUrl);
    await migrateAtBoot({ service: 'gatekeeper', url: database.ownerUrl, runtimeRole, entities: [], migrations });
    await database.query('SELECT ensure_audit_partitions(3, 1)');
    const pool = createPool(database.superuserUrl, 'logged-trail', 2, () => undefined);
    const sink = new PostgresSink(createPool(database.runtimeUrl, 'logged-trail', 4, () => undefined));
    return new LoggedTrail(database, signer, pool, sink);
  }

  get keys(): NoteVerifier[] {
    return [this.signer.verifier];
  }

  sequencer(url = this.database.notaryUrl!): Sequencer {
    return new Sequencer({
      url,
      signer: this.signer,
      intervalMs: 5,
      batchSize: 500,
      log: { info: () => undefined, warn: () => undefined },
    });
  }

  /** Writes events in parts, so that there are several checkpoints, and waits until all are in their logs. */
  async write(events: readonly AuditEvent[], part = 700): Promise<void> {
    const sequencer = this.sequencer();
    sequencer.start();
    try {
      for (let from = 0; from < events.length; from += part) {
        const before = await this.size();
        const some = events.slice(from, from + part);
        await this.sink.write(some);
        await waitFor('the events in their logs', async () => (await this.size()) === before + some.length, 20_000);
      }
    } finally {
      await sequencer.stop();
    }
  }

  async size(): Promise<number> {
    const { rows } = await this.pool.query<{ total: string }>('SELECT coalesce(sum(size), 0) AS total FROM tlog_trees');
    return Number(rows[0]!.total);
  }

  verify(options: Partial<VerifyTrailOptions> = {}): Promise<TrailVerdict> {
    return verifyDatabase(this.database.notaryUrl!, { log: this.keys, ...options });
  }

  /** Closes the connections: what is to be copied must have none. */
  async quiet(): Promise<void> {
    await this.sink.close();
    await this.pool.end();
  }

  /** Hands over a copy of a quiet trail, and drops it. */
  async copied<T>(work: (copy: Copy) => Promise<T>): Promise<T> {
    const { name, notaryUrl } = this.database;
    const other = `${name}_${randomUUID().slice(0, 8)}`;
    await administer(`CREATE DATABASE ${other} TEMPLATE ${name} STRATEGY file_copy`);
    const superuserUrl = connectionUrl(testPostgresUrl(), { database: other });
    const client = new pg.Client({ connectionString: superuserUrl, query_timeout: 30_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await work({
        notaryUrl: connectionUrl(notaryUrl!, { database: other }),
        runtimeUrl: connectionUrl(this.database.runtimeUrl, { database: other }),
        superuserUrl,
        query: async (sql, values) => (await client.query(sql, values)).rows as never,
      });
    } finally {
      await client.end();
      await administer(`DROP DATABASE ${other} WITH (FORCE)`);
    }
  }

  async drop(): Promise<void> {
    await this.database.drop();
  }
}

export async function verifyDatabase(url: string, options: VerifyTrailOptions): Promise<TrailVerdict> {
  const trail = await DatabaseTrail.open({ url, tenant: options.tenants?.[0] });
  try {
    return await verifyTrail(trail, options);
  } finally {
    await trail.close();
  }
}

async function administer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: testPostgresUrl(), query_timeout: 30_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

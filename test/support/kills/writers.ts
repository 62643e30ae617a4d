import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { dualClients, isFenced, Participation, withIntent, type MovedConnection } from '#decomposition';
import { Ledger } from './ledger.js';
import { SERVICE, type Shop } from './shop.js';

const REST_MS = 40;
const RETRY_MS = 100;
/** Before it is asked again; a server that is gone says nothing. */
const QUERY_TIMEOUT_MS = 8000;
const UNIQUE_VIOLATION = '23505';
/** SQLSTATE classes that a kill explains: connection, resources, operator intervention, and a lock that somebody else had. */
const EXPLAINED = /^(08|53|57|55P03|40P01|25P03)/;
/** Every so often a row is removed again. */
const REMOVED = 7;

type Pool = ReturnType<Participation['createPool']>;

/** A service that takes part in the move, as far as its database is concerned: a few who write and read without a rest. */
export class Writers {
  readonly ledger = new Ledger();
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly participation: Participation,
    private readonly pool: Pool,
  ) {}

  static async start({ runtimeUrls }: Shop): Promise<Writers> {
    const urls: MovedConnection = runtimeUrls;
    const silent = (): void => undefined;
    const participation = await Participation.start({
      service: SERVICE,
      targetUrl: urls.target,
      connections: [],
      log: { info: silent, warn: silent },
      dualClient: dualClients(),
    });
    const config: pg.PoolConfig = {
      connectionString: urls.source,
      application_name: 'shop',
      max: 8,
      connectionTimeoutMillis: 3000,
      query_timeout: QUERY_TIMEOUT_MS,
    };
    const pool = participation.createPool(config, urls);
    pool.on('error', silent);
    const writers = new Writers(participation, pool);
    const { ledger } = writers;
    writers.running = Promise.all([
      writers.repeat((turn) => writers.order(`one-${turn}`, turn)),
      writers.repeat((turn) => writers.order(`two-${turn}`, turn)),
      writers.repeat((turn) => writers.event(turn)),
      writers.repeat((turn) => writers.setting(`tenant/${turn % 9}`)),
      writers.repeat((turn) => writers.both(turn)),
    ]).catch((error: Error) => ledger.failures.push(error.stack ?? error.message));
    return writers;
  }

  /** Resolves when every write that was sent has been answered. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.pool.end();
    await this.participation.close();
  }

  private async repeat(work: (turn: number) => Promise<void>): Promise<void> {
    for (let turn = 0; !this.stopping.signal.aborted; turn += 1) {
      await work(turn);
      await sleep(REST_MS * (0.5 + Math.random()), undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** Its number comes from a sequence: one that comes twice is a failure of the move. */
  private async order(ref: string, turn: number): Promise<void> {
    const { orders } = this.ledger;
    orders.set(ref, 'asked');
    await this.write(ref, 'orders_ref_key', (client) =>
      client.query('INSERT INTO orders (ref, note) VALUES ($1, $2)', [ref, 'new']),
    );
    orders.set(ref, 'there');
    await this.reads(ref, 'SELECT FROM orders WHERE ref = $1', [ref]);
    if (turn % REMOVED !== 0) return;
    orders.set(ref, 'leaving');
    await this.write(ref, undefined, (client) => client.query('DELETE FROM orders WHERE ref = $1', [ref]));
    orders.set(ref, 'gone');
  }

  private async event(turn: number): Promise<void> {
    const { events } = this.ledger;
    const [id, at] = [randomUUID(), new Date()];
    events.set(id, 'asked');
    await this.write(id, 'events_new_pkey', (client) =>
      client.query('INSERT INTO events VALUES ($1, $2, $3)', [id, at, { turn }]),
    );
    events.set(id, 'there');
    if (turn % REMOVED !== 0) return;
    events.set(id, 'leaving');
    await this.write(id, undefined, (client) => client.query('DELETE FROM events WHERE id = $1 AND at = $2', [id, at]));
    events.set(id, 'gone');
  }

  private async setting(key: string): Promise<void> {
    await this.raise(key, (client, version) => set(client, key, version));
  }

  /** Two tables in one transaction. */
  private async both(turn: number): Promise<void> {
    const ref = `both-${turn}`;
    this.ledger.orders.set(ref, 'asked');
    await this.raise(`both/${turn % 3}`, async (client, version) => {
      await client.query('BEGIN');
      await client.query('INSERT INTO orders (ref, note) VALUES ($1, $2) ON CONFLICT (ref) DO NOTHING', [ref, 'both']);
      await set(client, `both/${turn % 3}`, version);
      await client.query('COMMIT');
    });
    this.ledger.orders.set(ref, 'there');
  }

  private async raise(key: string, work: (client: pg.PoolClient, version: number) => Promise<unknown>): Promise<void> {
    const { settings } = this.ledger;
    const versions = settings.get(key) ?? { sure: 0, asked: 0 };
    const version = versions.asked + 1;
    settings.set(key, { ...versions, asked: version });
    await this.write(key, undefined, (client) => work(client, version));
    settings.set(key, { sure: version, asked: version });
  }

  /** Until it is answered; the same row asked for again and found there has been written before. */
  private async write(
    key: string,
    doneBefore: string | undefined,
    work: (client: pg.PoolClient) => Promise<unknown>,
  ): Promise<void> {
    const { ledger } = this;
    for (;;) {
      try {
        await withIntent({ kind: 'write', key }, () => this.lend(work));
        ledger.acknowledged += 1;
        return;
      } catch (error) {
        const { code, constraint, message } = error as { code?: string; constraint?: string; message: string };
        if (code === UNIQUE_VIOLATION && constraint === doneBefore) return;
        const why = isFenced(error) ? 'fenced' : code === 'database_moving' ? code : explained(code, message);
        if (why === undefined) ledger.failures.push(`write of ${key}: ${code ?? ''} ${message} ${constraint ?? ''}`);
        ledger.unknown.set(why ?? 'failure', (ledger.unknown.get(why ?? 'failure') ?? 0) + 1);
        await sleep(RETRY_MS);
      }
    }
  }

  /** What it wrote just now it finds, wherever its reads go. */
  private async reads(key: string, sql: string, values: unknown[]): Promise<void> {
    try {
      const { rows } = await withIntent({ kind: 'read', key }, () => this.pool.query(sql, values));
      if (rows.length !== 1) this.ledger.failures.push(`${key} was written, and ${rows.length} were read`);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (explained(code, message) === undefined) this.ledger.failures.push(`read of ${key}: ${code ?? ''} ${message}`);
    }
  }

  private async lend(work: (client: pg.PoolClient) => Promise<unknown>): Promise<void> {
    const client = await this.pool.connect();
    let broken = true;
    const onError = (): void => undefined;
    client.on('error', onError);
    try {
      await work(client);
      broken = false;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }
}

async function set(client: pg.PoolClient, key: string, version: number): Promise<void> {
  const [tenant, name] = key.split('/');
  await client.query(
    `INSERT INTO settings AS s VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, name)
     DO UPDATE SET version = excluded.version, value = excluded.value WHERE s.version < excluded.version`,
    [tenant, name, { version }, version],
  );
}

function explained(code: string | undefined, message: string): string | undefined {
  // What the system says of a socket begins with E, and has no digits.
  if (code === undefined || /^E[A-Z]+$/.test(code)) return code ?? message.slice(0, 40);
  return EXPLAINED.test(code) ? code : undefined;
}

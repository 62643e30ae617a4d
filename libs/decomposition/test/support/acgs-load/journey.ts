import pg from 'pg';
import { dualClients, openMove, Participation, verbs, watch, type Move, type Plan } from '#decomposition';
import { connectionUrl } from '#database';
import { ACGS_TABLES } from '../../../samples/acgs-1/index.js';
import { type Side } from '../../../src/core/side.js';
import { type Strategy } from '../../../src/core/plan/plan.js';
import { acgsSample, type AcgsSample } from '../acgs.js';
import { AcgsLoad } from './load.js';
import { type ReadAt } from './judge.js';
import { PlainWriter, RoutedWriter, type Query, type Writer } from './writer.js';

const PASSWORD = 'of-this-test';
const REST_MS = 300;
/** It writes wherever it likes, and takes no part. */
const OUTSIDER = 'outsider';

/** ACGS-1 on one database, a load on all its services, and what is needed to move them. */
export class AcgsJourney {
  /** Services whose writes their targets take. */
  readonly moved = new Set<string>();
  /** What a watch told beside that it began. */
  readonly alarms: string[] = [];
  private readonly pools = new Map<string, pg.Pool>();
  private readonly stopping = new AbortController();
  private readonly background: Promise<void>[] = [];
  private readonly moves: Move[] = [];

  private constructor(
    readonly plan: Plan,
    private readonly sample: AcgsSample,
    private readonly strategy: Strategy,
    readonly load: AcgsLoad,
  ) {}

  static async prepare(rows: number, strategy: Strategy): Promise<AcgsJourney> {
    const sample = await acgsSample(rows);
    const services = sample.plan.services.map((service) => ({ ...service, strategy }));
    const copy = { ...sample.plan.copy, chunk_rows: Math.max(100, Math.ceil(rows / 3)) };
    // What fires on a machine that is busy with other things is none of this test's concern.
    const plan: Plan = { ...sample.plan, services, copy, watch: { ...sample.plan.watch, action: 'alert' } };
    const pools = new Map<string, pg.Pool>();
    const load = new AcgsLoad((sql, values) => poolOf(pools, sample.source.url).query(sql, values) as never, REST_MS);
    const journey = new AcgsJourney(plan, sample, strategy, load);
    for (const [url, pool] of pools) journey.pools.set(url, pool);
    return journey;
  }

  /** Writers of each service, and one that goes round all of them; with dual writes the first take part. */
  async prepareWriters(): Promise<void> {
    await this.load.prepare();
    for (const service of Object.keys(ACGS_TABLES))
      await this.load.add(service, service, await this.writerOf(service), service === 'integrity');
    for (const service of Object.keys(ACGS_TABLES)) await this.load.add(OUTSIDER, service, this.plain(service));
  }

  start(): void {
    // With dual writes somebody has to carry over what is only on one side.
    if (this.strategy === 'dual-write') for (const { name } of this.plan.services) this.watch(name);
    this.load.start();
  }

  async within<T>(service: string, work: (move: Move) => Promise<T>): Promise<T> {
    const move = openMove(this.plan, service);
    try {
      return await work(move);
    } finally {
      await move.close();
    }
  }

  async create(move: Move): Promise<void> {
    await verbs.create(move, { dryRun: false, passwords: () => PASSWORD, migrate: () => Promise.resolve() });
  }

  /** Rows of a service's tables, from the side that takes its writes. */
  readonly readAt: ReadAt = async (service, sql) => {
    const { target } = this.plan.services.find(({ name }) => name === service)!;
    const { rows } = await poolOf(this.pools, this.moved.has(service) ? target : this.plan.source).query(sql);
    return rows as never;
  };

  readonly source: Query = (sql, values) => poolOf(this.pools, this.plan.source).query(sql, values) as never;

  async close(): Promise<void> {
    this.stopping.abort();
    await this.load.close();
    await Promise.all(this.background);
    await Promise.all(this.moves.map((move) => move.close()));
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
    await this.sample.drop();
  }

  private urlsOf(service: string): Record<Side, string> {
    const { target, runtime } = this.plan.services.find(({ name }) => name === service)!;
    return { source: this.plan.source, target: connectionUrl(target, { user: runtime.name, password: PASSWORD }) };
  }

  private plain(service: string): Writer {
    return new PlainWriter(service, this.urlsOf(service), () => this.load.ledger.refused++);
  }

  private async writerOf(service: string): Promise<Writer> {
    if (this.strategy === 'replication') return this.plain(service);
    const urls = this.urlsOf(service);
    const quiet = { info: () => undefined, warn: () => undefined };
    const participation = await Participation.start({
      ...{ service, targetUrl: urls.target, connections: [], log: quiet, dualClient: dualClients() },
    });
    const config = { connectionString: urls.source, max: 3, connectionTimeoutMillis: 20_000 };
    const pool = participation.createPool(config, urls);
    pool.on('error', () => undefined);
    return new RoutedWriter(pool, service, () => participation.close());
  }

  private watch(service: string): void {
    const move = openMove(this.plan, service, { connections: 4 });
    this.moves.push(move);
    this.background.push(
      watch(move, {
        openStream: verbs.openStream,
        reverse: () => Promise.resolve(),
        signal: this.stopping.signal,
        onEvent: (event) => {
          // That a database takes its time is said rightly: others use the machine.
          if (event.event === 'trouble' && !event.message.includes('has not answered for'))
            this.alarms.push(`${service}: ${event.what}: ${event.message}`);
        },
      }),
    );
  }
}

function poolOf(pools: Map<string, pg.Pool>, url: string): pg.Pool {
  const known = pools.get(url);
  if (known) return known;
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => undefined);
  pools.set(url, pool);
  return pool;
}

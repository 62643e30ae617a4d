import pg from 'pg';
import { PooledClient } from '#database';
import { type Side } from '../core/side.js';
import { watchForFence } from './watch-for-fence.js';

/**
 * - `all`: as asked for
 * - `reads`: a session in which nothing can be written: what is meant to be a read and is not must not be lost on the side that follows
 * - `compare`: the same, small, and with little patience
 */
export type SessionKind = 'all' | 'reads' | 'compare';

const READ_ONLY = '-c default_transaction_read_only=on';
const COMPARE: pg.PoolConfig = { max: 2, connectionTimeoutMillis: 2000, query_timeout: 5000 };

/** The pools behind one routed pool, made when first used. Connections that nobody uses any more end by themselves, after pg's 10 s. */
export class SidePools {
  private readonly pools = new Map<string, pg.Pool>();

  constructor(
    private readonly config: pg.PoolConfig,
    private readonly urls: Readonly<Record<Side, string>>,
    private readonly onError: (error: Error, client: pg.PoolClient) => void,
    private readonly onFenced: () => void,
  ) {}

  of(side: Side, kind: SessionKind): pg.Pool {
    const name = `${side} ${kind}`;
    let pool = this.pools.get(name);
    if (!pool) this.pools.set(name, (pool = this.make(side, kind)));
    return pool;
  }

  /** Connections that are lent at this moment, of the one that has the fewest left; each may have as many as the routed pool. */
  mostLent(): number {
    const lent = [...this.pools].map(([name, { totalCount, idleCount }]) =>
      name.endsWith(' compare') ? 0 : totalCount - idleCount,
    );
    return Math.max(0, ...lent);
  }

  async end(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
  }

  private make(side: Side, kind: SessionKind): pg.Pool {
    const pool = new pg.Pool({
      ...this.config,
      Client: PooledClient,
      connectionString: this.urls[side],
      ...(kind !== 'all' && { options: [this.config.options, READ_ONLY].filter(Boolean).join(' ') }),
      ...(kind === 'compare' && COMPARE),
    });
    pool.on('error', this.onError);
    pool.on('connect', (client) => watchForFence(client, this.onFenced));
    return pool;
  }
}

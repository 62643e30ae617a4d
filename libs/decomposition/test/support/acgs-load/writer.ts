import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { isFenced } from '../../../src/route/moving.js';
import { readMove } from '../../../src/core/state/move-store.js';
import { withIntent } from '../../../src/route/intent.js';
import { type Side } from '../../../src/core/side.js';
import { type RoutedPool } from '../../../src/route/routed-pool.js';

export type Query = (sql: string, values?: unknown[]) => Promise<{ rows: never[] }>;

/** Does transactions on the tables of one service, wherever those take writes. */
export interface Writer {
  transact<T>(work: (query: Query) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const PATIENCE_MS = 30_000;

/**
 * A program of two pools that knows nothing of moving but this: refused with GV001 it asks `decomposition.moves` which side takes the
 * writes, and does its transaction again there.
 */
export class PlainWriter implements Writer {
  private readonly pools: Readonly<Record<Side, pg.Pool>>;
  private side: Side = 'source';

  constructor(
    private readonly service: string,
    urls: Readonly<Record<Side, string>>,
    private readonly onRefused: () => void,
  ) {
    const pool = (connectionString: string): pg.Pool => {
      const made = new pg.Pool({ connectionString, max: 2, connectionTimeoutMillis: 20_000 });
      return made.on('error', () => undefined);
    };
    this.pools = { source: pool(urls.source), target: pool(urls.target) };
  }

  async transact<T>(work: (query: Query) => Promise<T>): Promise<T> {
    for (const deadline = Date.now() + PATIENCE_MS; ;) {
      try {
        return await inTransaction(await this.pools[this.side].connect(), work);
      } catch (error) {
        if (!isFenced(error) || Date.now() > deadline) throw error;
        this.onRefused();
        const state = await readMove(this.pools.target, this.service);
        if (state && state.writes !== 'paused') this.side = state.writes;
        else await sleep(20);
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.pools.source.end(), this.pools.target.end()]);
  }
}

/** One that takes part: its connections lead where the move says, and write both sides while that is asked for. */
export class RoutedWriter implements Writer {
  constructor(
    private readonly pool: RoutedPool,
    /** Of whose work it is. */
    private readonly key: string,
    private readonly onClose: () => Promise<void>,
  ) {}

  transact<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return withIntent({ kind: 'write', key: this.key }, async () => inTransaction(await this.pool.connect(), work));
  }

  /** From whichever side serves the reads of `spread`. */
  read(sql: string, values: unknown[], spread: string): Promise<{ rows: never[] }> {
    return withIntent({ kind: 'read', spread }, () => this.pool.query(sql, values));
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.onClose();
  }
}

async function inTransaction<T>(client: pg.PoolClient, work: (query: Query) => Promise<T>): Promise<T> {
  try {
    await client.query('BEGIN');
    const result = await work((sql, values) => client.query(sql, values) as never);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    client.release();
    throw error;
  }
}

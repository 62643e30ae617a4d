import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { ConfigError } from '#config';
import { createPool, withConnection } from '#database';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { CONFIG, type GatekeeperConfig } from '../config.js';

export type Query = <R extends pg.QueryResultRow>(sql: string, values: readonly unknown[]) => Promise<R[]>;

/**
 * Reads the trail as the role that row-level security holds to one tenant: what a query's conditions leave out cannot let another
 * tenant's rows through. The tenant is set for the transaction only, so connections can be shared, also by a pooler.
 */
@Injectable()
export class TrailReader implements OnModuleInit, OnModuleDestroy {
  private readonly pool: pg.Pool;

  constructor(@Inject(CONFIG) config: GatekeeperConfig, @Inject(LOGGER) logger: Logger) {
    this.pool = createPool(config.readerUrl, 'gravitas-gatekeeper-reader', config.service.database.poolSize, (error) =>
      logger.warn({ err: error }, 'a connection of the reader pool broke'),
    );
  }

  /** @throws ConfigError when the reader is not held by row-level security */
  async onModuleInit(): Promise<void> {
    const { rows } = await withConnection(this.pool, (client) =>
      client.query<{ role: string; held: boolean }>(
        `SELECT current_user AS role, row_security_active('audit_log') AS held`,
      ),
    );
    if (!rows[0]?.held)
      throw new ConfigError('gatekeeper', [
        `GATEKEEPER_READER_URL: the role ${rows[0]?.role} sees all tenants; use the reader that \`node scripts/run.mjs setup\` makes`,
      ]);
  }

  async onModuleDestroy(): Promise<void> {
    await this.pool.end();
  }

  /** Runs `work` in a transaction that sees this tenant's rows only, and changes nothing. */
  within<T>(tenant: string, work: (query: Query) => Promise<T>): Promise<T> {
    return withConnection(this.pool, async (client) => {
      await client.query('BEGIN READ ONLY');
      await enterTenant(client, tenant);
      try {
        const result = await work(async (sql, values) => (await client.query(sql, [...values])).rows as never);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }
}

/**
 * Binds the transaction to one tenant. There is an index for all that can be asked, and a page is a walk along one of them that ends when the page
 * is full: a planner that knows little of a new month, or that does not see that a join looks into one month only, is kept from reading it all.
 */
export async function enterTenant(client: pg.ClientBase, tenant: string): Promise<void> {
  const off = ['seqscan', 'bitmapscan', 'sort', 'hashjoin', 'mergejoin'].map(
    (way) => `set_config('enable_${way}', 'off', true)`,
  );
  await client.query(`SELECT set_config('gravitas.tenant', $1, true), ${off.join(', ')}`, [tenant]);
}

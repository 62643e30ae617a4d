import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type pg from 'pg';
import { type AuditEvent, type AuditFilters } from '#contracts';
import { createPool } from '#database';
import { ServiceError } from '#errors';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { eventsStatement } from './audit-statement.js';
import { toEvent, type EventRow } from './event-row.js';
import { enterTenant } from './trail-reader.js';

/** At a time, on each instance: each holds a connection and a snapshot for as long as its reader takes. */
const MAX_EXPORTS = 2;
const ROWS_AT_A_TIME = 500;
/** How long a reader may take for these rows before PostgreSQL ends the export. */
const STALL = '60s';

/** What a cursor gives; whoever asks for it must close it, which frees the connection. */
export interface ExportRun {
  batches: AsyncIterable<AuditEvent[]>;
  /** Aborted when the connection breaks, also while nobody asks for more. */
  broken: AbortSignal;
  /** Twice is the same as once. */
  close: () => Promise<void>;
}

/**
 * One tenant's events as of one moment, newest first, as many as there are: a server-side cursor gives the next few hundred when they are asked
 * for.
 */
@Injectable()
export class AuditExport implements OnModuleDestroy {
  private readonly pool: pg.Pool;
  private running = 0;

  constructor(@Inject(CONFIG) config: GatekeeperConfig, @Inject(LOGGER) logger: Logger, metrics: Metrics) {
    metrics.gauge('audit_exports', 'Exports that are running', () => this.running);
    this.pool = createPool(config.readerUrl, 'gravitas-gatekeeper-export', MAX_EXPORTS, (error) =>
      logger.warn({ err: error }, 'a connection of the export pool broke'),
    );
  }

  /** Exports that are running now. */
  get active(): number {
    return this.running;
  }

  async onModuleDestroy(): Promise<void> {
    await this.pool.end();
  }

  /** Resolves when the first rows are there. @throws ServiceError `too_many_exports` */
  async open(filters: AuditFilters, tenant: string): Promise<ExportRun> {
    if (this.running >= MAX_EXPORTS)
      throw new ServiceError('unavailable', 'too_many_exports', `${MAX_EXPORTS} exports are running; try again later`, {
        retryAfter: 10,
      });
    this.running++;
    const client = await this.pool.connect().catch((error: unknown) => {
      this.running--;
      throw error;
    });
    let broken: Error | undefined;
    const abort = new AbortController();
    const onError = (error: Error): void => {
      broken ??= error;
      abort.abort(error);
    };
    client.on('error', onError);
    let closed: Promise<void> | undefined;
    const end = async (): Promise<void> => {
      if (!broken) await client.query('ROLLBACK').catch(onError);
      client.off('error', onError);
      client.release(broken);
      this.running--;
    };
    const close = (): Promise<void> => (closed ??= end());
    try {
      return { batches: read(client, await begin(client, filters, tenant)), broken: abort.signal, close };
    } catch (error) {
      await close();
      throw error;
    }
  }
}

async function* read(client: pg.PoolClient, first: AuditEvent[]): AsyncGenerator<AuditEvent[], void, void> {
  for (let rows = first; rows.length > 0; rows = rows.length < ROWS_AT_A_TIME ? [] : await fetchRows(client))
    yield rows;
}

async function begin(client: pg.PoolClient, filters: AuditFilters, tenant: string): Promise<AuditEvent[]> {
  const { sql, values } = eventsStatement(filters, tenant);
  await client.query(`BEGIN READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '${STALL}'`);
  await enterTenant(client, tenant);
  await client.query(`DECLARE export NO SCROLL CURSOR FOR ${sql}`, values);
  return fetchRows(client);
}

async function fetchRows(client: pg.PoolClient): Promise<AuditEvent[]> {
  const { rows } = await client.query<EventRow>(`FETCH ${ROWS_AT_A_TIME} FROM export`);
  return rows.map(toEvent);
}

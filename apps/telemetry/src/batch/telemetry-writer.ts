import type pg from 'pg';
import { settleWithin } from '#batching';
import { copyInto } from '#database';
import { EVENTS, type EventRow } from '../events/event-row.js';
import { insertUsage, type Usage } from '../usage/insert-usage.js';

const CLOSE_MS = 250;

/** Writes events by COPY and usage by INSERT, over a pool of its own, so that reports do not make writers wait. */
export class TelemetryWriter {
  constructor(private readonly pool: pg.Pool) {}

  /** All of them or none. */
  writeEvents(events: readonly EventRow[]): Promise<number> {
    return this.withClient((client) => copyInto(client, EVENTS, events));
  }

  /**
   * Both in one transaction, committed when this resolves.
   *
   * @returns the number of usage records that are new
   */
  write(events: readonly EventRow[], usage: readonly Usage[]): Promise<number> {
    return this.withClient(async (client) => {
      await client.query('BEGIN');
      try {
        await copyInto(client, EVENTS, events);
        const added = await insertUsage(client, usage);
        await client.query('COMMIT');
        return added;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  /** A connection that hangs must not hold the process. */
  async close(): Promise<void> {
    await settleWithin(this.pool.end(), CLOSE_MS);
  }

  private async withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      return await work(client);
    } catch (error) {
      broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
    }
  }
}

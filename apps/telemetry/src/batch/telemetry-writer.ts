import type pg from 'pg';
import { settleWithin } from '#batching';
import { copyInto, withConnection } from '#database';
import { EVENTS, type EventRow } from '../events/event-row.js';
import { insertUsage, type Usage } from '../usage/insert-usage.js';

const CLOSE_MS = 250;

/** Writes events by COPY and usage by INSERT, over a pool of its own, so that reports do not make writers wait. */
export class TelemetryWriter {
  constructor(private readonly pool: pg.Pool) {}

  /** All of them or none. */
  writeEvents(events: readonly EventRow[]): Promise<number> {
    return withConnection(this.pool, (client) => copyInto(client, EVENTS, events));
  }

  /**
   * Both in one transaction, committed when this resolves.
   *
   * @returns the number of usage records that are new
   */
  write(events: readonly EventRow[], usage: readonly Usage[]): Promise<number> {
    return withConnection(this.pool, async (client) => {
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
}

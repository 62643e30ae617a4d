import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { isConnectionError } from '#database';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { countQuarantined } from './months-state.js';

/** What the sinks of this instance put aside because the trail does not have its month. */
@Injectable()
export class Quarantine {
  private added = 0;
  /** When the database was asked last. */
  private counted = 0;

  constructor(
    private readonly database: DataSource,
    metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    metrics.counterFrom('audit_quarantined_total', 'Events that this instance put into quarantine', () => this.added);
  }

  add(events: number): void {
    this.added += events;
    this.logger.warn({ events }, 'events of a month that the trail does not have are in quarantine');
  }

  /** Of all instances, as of now; while the database does not answer, as of the last time that it did. */
  async count(): Promise<number> {
    try {
      this.counted = await countQuarantined(async (sql) => ({ rows: await this.database.query<unknown[]>(sql) }));
    } catch (error) {
      if (!isConnectionError(error)) throw error;
    }
    return this.counted;
  }
}

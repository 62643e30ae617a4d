import type pg from 'pg';
import { type AuditEvent } from '#contracts';
import { copyInto, isPermanentError, isUniqueViolation, withConnection, type CopyTarget } from '#database';
import { errorMessage } from '#errors';
import { canonicalEvent, leafEntry, leafHash } from '#tlog';
import { SinkRejectedError } from '../errors.js';
import { type AuditSink, type SinkResult } from '../sink.js';

const COLUMNS = {
  id: 'uuid',
  tenant_id: 'text',
  timestamp: 'timestamptz',
  service: 'text',
  ghost_id: 'text',
  shell_id: 'text',
  action: 'text',
  resource: 'text',
  result: 'text',
  reason: 'text',
  request_id: 'text',
  session_id: 'text',
  entities: 'jsonb',
  metadata: 'jsonb',
  producer: 'uuid',
  sequence: 'int8',
  leaf_hash: 'bytea',
} as const satisfies CopyTarget['columns'];

/**
 * Writes batches to audit_log by COPY: straight into the table while ids are new, and through a temporary table that leaves out
 * what is there already when one is not (after an unknown outcome, or when a sender repeats itself).
 * The role needs INSERT on audit_log and TEMP on the database, and to be above row-level security (COPY FROM is refused under it).
 */
export class PostgresSink implements AuditSink {
  /** One batch a connection: while PostgreSQL commits one, the next is on its way. */
  readonly concurrency: number;

  constructor(private readonly pool: pg.Pool) {
    this.concurrency = pool.options.max;
  }

  async write(events: readonly AuditEvent[]): Promise<SinkResult> {
    try {
      return await withConnection(this.pool, (client) => this.copy(client, events));
    } catch (error) {
      // Such as a month that has no partition.
      if (isPermanentError(error)) throw new SinkRejectedError(errorMessage(error), { cause: error });
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private async copy(client: pg.PoolClient, events: readonly AuditEvent[]): Promise<SinkResult> {
    try {
      await copyInto(client, { table: 'audit_log', columns: COLUMNS }, withLeaves(events));
      return { accepted: events.length, duplicates: 0 };
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      return this.merge(client, events);
    }
  }

  private async merge(client: pg.PoolClient, events: readonly AuditEvent[]): Promise<SinkResult> {
    await client.query('BEGIN');
    try {
      // Spelled out: LIKE takes the right to read.
      const types = Object.entries(COLUMNS).map(([column, type]) => `${column} ${type}`);
      await client.query(`CREATE TEMP TABLE incoming (${types.join(', ')}) ON COMMIT DROP`);
      await copyInto(client, { table: 'incoming', columns: COLUMNS }, withLeaves(events));
      const columns = Object.keys(COLUMNS).join(', ');
      const { rowCount } = await client.query(
        `INSERT INTO audit_log (${columns}) SELECT ${columns} FROM incoming ON CONFLICT DO NOTHING`,
      );
      await client.query('COMMIT');
      const accepted = rowCount ?? 0;
      return { accepted, duplicates: events.length - accepted };
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }
}

/** Each event with the hash of the leaf that it is going to be in its tenant's transparency log, made as rows are asked for. */
function* withLeaves(events: readonly AuditEvent[]): Generator<AuditEvent & { leaf_hash: Uint8Array }, void, void> {
  for (const event of events) yield { ...event, leaf_hash: leafHash(leafEntry(canonicalEvent(event))) };
}

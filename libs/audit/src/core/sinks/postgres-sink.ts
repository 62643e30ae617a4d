import type pg from 'pg';
import { type AuditEvent } from '#contracts';
import {
  copyIntoAll,
  isPermanentError,
  isUniqueViolation,
  withConnection,
  type CopyPart,
  type CopyTarget,
} from '#database';
import { errorMessage } from '#errors';
import { canonicalEvent, leafEntry, leafHash } from '#tlog';
import { SinkRejectedError } from '../errors.js';
import { type AuditSink, type SinkResult } from '../sink.js';
import { entityRows } from './entities-of.js';

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

const ENTITY_COLUMNS = {
  tenant_id: 'text',
  kind: 'text',
  id: 'text',
  timestamp: 'timestamptz',
  event_id: 'uuid',
} as const satisfies CopyTarget['columns'];

const CHECK_VIOLATION = '23514';

export interface PostgresSinkOptions {
  /** Told how many events have just been put into quarantine: the trail does not have their month. */
  onQuarantine?: (events: number) => void;
}

/**
 * Writes batches to audit_log and event_entities, by two COPYs in one transaction: straight into the tables while ids are new and
 * months are there. Where one is not, the batch goes through temporary tables instead: what is there already is left out (after an unknown
 * outcome, or when a sender repeats itself), and what is of no month of the trail goes to audit_quarantine in the same transaction.
 * The role needs INSERT on the three and TEMP on the database, and to be above row-level security (COPY FROM is refused under it).
 */
export class PostgresSink implements AuditSink {
  /** One batch a connection: while PostgreSQL commits one, the next is on its way. */
  readonly concurrency: number;

  constructor(
    private readonly pool: pg.Pool,
    private readonly options: PostgresSinkOptions = {},
  ) {
    this.concurrency = pool.options.max;
  }

  async write(events: readonly AuditEvent[]): Promise<SinkResult> {
    if (events.length === 0) return { accepted: 0, duplicates: 0 };
    try {
      return await withConnection(this.pool, (client) => this.copy(client, events));
    } catch (error) {
      // Such as a value that a CHECK refuses.
      if (isPermanentError(error)) throw new SinkRejectedError(errorMessage(error), { cause: error });
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private async copy(client: pg.PoolClient, events: readonly AuditEvent[]): Promise<SinkResult> {
    try {
      await copyIntoAll(client, parts(events, 'audit_log', 'event_entities'));
      return { accepted: events.length, duplicates: 0 };
    } catch (error) {
      if (!isUniqueViolation(error) && !isMissingMonth(error)) throw error;
      return this.merge(client, events);
    }
  }

  private async merge(client: pg.PoolClient, events: readonly AuditEvent[]): Promise<SinkResult> {
    await client.query('BEGIN');
    try {
      await client.query(STAGE);
      await copyIntoAll(client, parts(events, 'incoming', 'incoming_entities'));
      const stored = await client.query(MERGE);
      await client.query(MERGE_ENTITIES);
      const { rowCount: quarantined } = await client.query(QUARANTINE);
      await client.query('COMMIT');
      if (quarantined) this.options.onQuarantine?.(quarantined);
      const accepted = (stored.rowCount ?? 0) + (quarantined ?? 0);
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

function parts(events: readonly AuditEvent[], table: string, entityTable: string): CopyPart[] {
  return [
    { target: { table, columns: COLUMNS }, rows: withLeaves(events) },
    { target: { table: entityTable, columns: ENTITY_COLUMNS }, rows: entityRows(events) },
  ];
}

/** PostgreSQL reports it as a CHECK that failed, without the name of one. */
function isMissingMonth(error: unknown): boolean {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  return code === CHECK_VIOLATION && constraint === undefined;
}

/** Columns are spelled out: LIKE takes the right to read. The months are looked up once, so that all that follows agrees on them. */
const STAGE = `
  CREATE TEMP TABLE incoming (${typed(COLUMNS)}) ON COMMIT DROP;
  CREATE TEMP TABLE incoming_entities (${typed(ENTITY_COLUMNS)}) ON COMMIT DROP;
  CREATE TEMP TABLE present ON COMMIT DROP AS
    SELECT m.starts, m.ends FROM audit_months('audit_log') m JOIN audit_months('event_entities') e USING (starts)`;

const IS_PRESENT = 'EXISTS (SELECT FROM present p WHERE i.timestamp >= p.starts AND i.timestamp < p.ends)';

const MERGE = `
  INSERT INTO audit_log (${names(COLUMNS)}) SELECT ${names(COLUMNS)} FROM incoming i WHERE ${IS_PRESENT} ON CONFLICT DO NOTHING`;

const MERGE_ENTITIES = `
  INSERT INTO event_entities (${names(ENTITY_COLUMNS)}) SELECT ${names(ENTITY_COLUMNS)} FROM incoming_entities i
  WHERE ${IS_PRESENT} ON CONFLICT DO NOTHING`;

const QUARANTINE = `
  INSERT INTO audit_quarantine (id, timestamp, event, reason)
  SELECT id, timestamp, to_jsonb(i), 'the trail has no month ' || to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM')
  FROM incoming i WHERE NOT ${IS_PRESENT} ON CONFLICT DO NOTHING`;

function typed(columns: CopyTarget['columns']): string {
  return Object.entries(columns)
    .map(([column, type]) => `${column} ${type}`)
    .join(', ');
}

function names(columns: CopyTarget['columns']): string {
  return Object.keys(columns).join(', ');
}

import pg from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { entityRows, type EntityRow } from '#audit';
import { type AuditEvent } from '#contracts';
import { timed } from '../harness/timed.js';

/** What most services do, with the same rows left behind as by the logger; each resolves with events a second, on one connection. */

const TYPEORM_BATCH = 1000;

const AUDIT_LOG = new EntitySchema<AuditEvent>({
  name: 'audit_log',
  columns: {
    id: { type: 'uuid', primary: true },
    timestamp: { type: 'timestamptz', primary: true },
    tenant_id: { type: 'text' },
    service: { type: 'text' },
    ghost_id: { type: 'text', nullable: true },
    shell_id: { type: 'text', nullable: true },
    action: { type: 'text' },
    resource: { type: 'text' },
    result: { type: 'text' },
    reason: { type: 'text' },
    request_id: { type: 'text', nullable: true },
    session_id: { type: 'text', nullable: true },
    entities: { type: 'jsonb' },
    metadata: { type: 'jsonb' },
    producer: { type: 'uuid', nullable: true },
    sequence: { type: 'bigint', nullable: true },
  },
});

const EVENT_ENTITIES = new EntitySchema<EntityRow>({
  name: 'event_entities',
  columns: {
    tenant_id: { type: 'text', primary: true },
    kind: { type: 'text', primary: true },
    id: { type: 'text', primary: true },
    timestamp: { type: 'timestamptz', primary: true },
    event_id: { type: 'uuid', primary: true },
  },
});

/** A TypeORM repository's insert, of 1000 events at a time and of their entities, in a transaction. */
export async function insertByTypeOrm(url: string, events: readonly AuditEvent[]): Promise<number> {
  const source = new DataSource({ type: 'postgres', url, entities: [AUDIT_LOG, EVENT_ENTITIES], poolSize: 1 });
  await source.initialize();
  try {
    return await timed(events.length, async () => {
      for (let at = 0; at < events.length; at += TYPEORM_BATCH) {
        const batch = events.slice(at, at + TYPEORM_BATCH);
        await source.transaction(async (manager) => {
          await manager.insert(AUDIT_LOG, batch as object[]);
          await manager.insert(EVENT_ENTITIES, [...entityRows(batch)]);
        });
      }
    });
  } finally {
    await source.destroy();
  }
}

/** One prepared INSERT a row, each event a transaction of its own. */
export async function insertRowByRow(url: string, events: readonly AuditEvent[]): Promise<number> {
  const names = Object.keys(AUDIT_LOG.options.columns) as (keyof AuditEvent)[];
  const filed = Object.keys(EVENT_ENTITIES.options.columns) as (keyof EntityRow)[];
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await timed(events.length, async () => {
      for (const event of events) {
        const row = { ...event, entities: JSON.stringify(event.entities), metadata: JSON.stringify(event.metadata) };
        await client.query('BEGIN');
        await client.query({
          name: 'event',
          text: insertInto('audit_log', names),
          values: names.map((name) => row[name]),
        });
        for (const entity of entityRows([event]))
          await client.query({
            name: 'entity',
            text: insertInto('event_entities', filed),
            values: filed.map((name) => entity[name]),
          });
        await client.query('COMMIT');
      }
    });
  } finally {
    await client.end();
  }
}

function insertInto(table: string, names: readonly string[]): string {
  return `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})`;
}

import pg from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { type AuditEvent } from '#contracts';
import { timed } from '../harness/timed.js';

/** What most services do; each resolves with rows a second, on one connection. */

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

/** A TypeORM repository's insert, 1000 at a time. */
export async function insertByTypeOrm(url: string, events: readonly AuditEvent[]): Promise<number> {
  const source = new DataSource({ type: 'postgres', url, entities: [AUDIT_LOG], poolSize: 1 });
  await source.initialize();
  try {
    const repository = source.getRepository(AUDIT_LOG);
    return await timed(events.length, async () => {
      for (let at = 0; at < events.length; at += TYPEORM_BATCH)
        await repository.insert(events.slice(at, at + TYPEORM_BATCH) as object[]);
    });
  } finally {
    await source.destroy();
  }
}

/** One prepared INSERT a row, each a transaction of its own. */
export async function insertRowByRow(url: string, events: readonly AuditEvent[]): Promise<number> {
  const names = Object.keys(AUDIT_LOG.options.columns) as (keyof AuditEvent)[];
  const text = `INSERT INTO audit_log (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await timed(events.length, async () => {
      for (const event of events) {
        const row = { ...event, entities: JSON.stringify(event.entities), metadata: JSON.stringify(event.metadata) };
        await client.query({ name: 'insert', text, values: names.map((name) => row[name]) });
      }
    });
  } finally {
    await client.end();
  }
}

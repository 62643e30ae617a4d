import type pg from 'pg';
import { createPool } from '#database';
import { PostgresSink } from '#audit';
import { type AuditEvent } from '#contracts';

/** What the shared database has before anything moves, by table: made in SQL, but for the trail, which is written as ever. */
const ROWS: Readonly<Record<string, string>> = {
  agent_badges: `INSERT INTO agent_badges (ghost_id, badge, granted_at, granted_by)
    SELECT 'Old' || i / 10, 'badge-' || i % 10, '2026-01-01'::timestamptz + i * interval '1 minute', 'Supervisor'
    FROM generate_series(1, $1::int) i`,
  history: `INSERT INTO history (id, tenant_id, ghost_id, session_id, request_id, role, content, truncated, model, status, created_at)
    SELECT uuidv7(), 'default', 'Old' || i % 50, 'old-' || i / 20, 'old-' || i, CASE i % 2 WHEN 0 THEN 'user' ELSE 'assistant' END,
      repeat(md5(i::text), 1 + i % 8), false, 'echo', 'complete', '2026-01-01'::timestamptz + i * interval '1.000001 second'
    FROM generate_series(1, $1::int) i`,
  system_telemetry: `INSERT INTO system_telemetry (id, timestamp, tenant_id, ghost_id, event_type, component, value, status, metadata)
    SELECT uuidv7(), '2026-01-01'::timestamptz + i * interval '1.000001 second', 'default', 'Old' || i % 50, 'old', 'component-' || i % 9,
      i / 7.0, 'ok', jsonb_build_object('number', i)
    FROM generate_series(1, $1::int) i`,
  usage_stats: `INSERT INTO usage_stats (id, timestamp, tenant_id, ghost_id, model, provider, tier, tokens_in, tokens_out, cost_usd,
      latency_ms, outcome)
    SELECT uuidv7(), '2026-01-01'::timestamptz + i * interval '1.000001 second', 'default', 'Old' || i % 50, 'echo', 'echo', 'L1', i, i * 2,
      i / 1000000.0, i % 100, 'succeeded'
    FROM generate_series(1, $1::int) i`,
};
const EVENTS_AT_ONCE = 5000;

/** @param trailUrl the database as the gatekeeper's runtime role */
export async function preload(database: pg.Pool, trailUrl: string, rows: number): Promise<void> {
  for (const sql of Object.values(ROWS)) await database.query(sql, [rows]);
  const sink = new PostgresSink(createPool(trailUrl, 'preload', 2, () => undefined));
  try {
    for (let from = 0; from < rows; from += EVENTS_AT_ONCE)
      await sink.write(Array.from({ length: Math.min(EVENTS_AT_ONCE, rows - from) }, (_, i) => oldEvent(from + i)));
  } finally {
    await sink.close();
  }
}

function oldEvent(number: number): AuditEvent {
  const now = Date.now();
  return {
    id: uuid7(now, number),
    tenant_id: `old-${number % 3}`,
    timestamp: new Date(now).toISOString(),
    service: 'gatekeeper',
    ghost_id: `Old${number % 50}`,
    shell_id: null,
    action: 'read',
    resource: `archive/${number}`,
    result: 'ALLOWED',
    reason: 'it was long ago',
    request_id: null,
    session_id: null,
    entities: [],
    metadata: { number },
    producer: null,
    sequence: null,
  };
}

/** RFC 9562, 5.7, with a number for the random part. */
function uuid7(time: number, number: number): string {
  const head = time.toString(16).padStart(12, '0');
  const tail = number.toString(16).padStart(12, '0');
  return `${head.slice(0, 8)}-${head.slice(8)}-7000-8000-${tail}`;
}

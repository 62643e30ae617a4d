import { join } from 'node:path';
import { SignJWT } from 'jose';
import { findFreePort } from '#embedded-postgres';
import { type BenchContext, type BenchResult } from '../harness/bench.js';
import { quantile } from '../harness/statistics.js';
import { type GatekeeperDatabase } from './gatekeeper-database.js';
import { startServer } from './server-process.js';

const ROWS = 5_000_000;
const ROWS_AT_ONCE = 250_000;
const QUERIES = 60;
const SECRET = 'of the length that such a secret must have';
/** How the rows are spread. */
const GHOSTS = 5000;
const ACTIONS = 50;
const RESOURCES = 20_000;
const SERVICES = 5;
const SESSIONS = 500_000;

/** The 95th percentile of one page of 100 events, by each filter, over HTTP, in a trail of five million. */
export async function searchTimes(context: BenchContext, database: GatekeeperDatabase): Promise<BenchResult[]> {
  await fill(context, database);
  const port = String(await findFreePort());
  const server = await startServer('apps/gatekeeper/src/main.js', {
    GATEKEEPER_PORT: port,
    GATEKEEPER_DATABASE_URL: database.urlOf('runtime'),
    GATEKEEPER_MIGRATION_URL: database.urlOf('owner'),
    GATEKEEPER_READER_URL: database.urlOf('reader'),
    GATEKEEPER_NOTARY_URL: database.urlOf('notary'),
    JWT_SECRET_KEY: SECRET,
    SERVICE_KEY: `${SECRET} too`,
    GRAVITAS_HOME: join(context.directory, 'search'),
    // It has another key than the log of these rows: that is not what is measured.
    LOG_LEVEL: 'error',
  });
  try {
    const token = await adminToken();
    const results: BenchResult[] = [];
    for (const [filter, value] of Object.entries(FILTERS)) {
      const times: number[] = [];
      for (let i = 0; i < QUERIES; i++) {
        context.stop.throwIfAborted();
        const began = performance.now();
        const answer = await fetch(`${server.url}/v1/audit/events?limit=100&${value(i * 7919)}`, {
          headers: { authorization: `Bearer ${token}` },
        });
        await answer.text();
        if (answer.status !== 200) throw new Error(`a search by ${filter} was answered ${answer.status}`);
        times.push(performance.now() - began);
      }
      results.push({ name: `search_p95_ms.${filter}`, value: quantile(times, 0.95), unit: 'ms', better: 'less' });
      context.progress(`search by ${filter}: ${results.at(-1)!.value.toFixed(1)} ms`);
    }
    return results;
  } finally {
    await server.stop();
  }
}

const FILTERS: Record<string, (i: number) => string> = {
  none: () => '',
  ghost_id: (i) => `ghost_id=ghost-${i % GHOSTS}`,
  action: (i) => `action=action-${i % ACTIONS}`,
  resource: (i) => `resource=resource-${i % RESOURCES}`,
  result: (i) => `result=${i % 2 ? 'DENIED' : 'FAILED'}`,
  service: (i) => `service=service-${i % SERVICES}`,
  session_id: (i) => `session_id=session-${i % SESSIONS}`,
  request_id: (i) => `request_id=request-${i % ROWS}`,
  entity: (i) => `entity=${encodeURIComponent(`user:${i % GHOSTS}`)}`,
  time: (i) => `from=${timeAt(i % ROWS)}&to=${timeAt((i % ROWS) + 5000)}`,
  q: (i) => `q=word${i % RESOURCES}`,
  ghost_and_action: (i) => `ghost_id=ghost-${i % GHOSTS}&action=action-${i % ACTIONS}`,
};

/** Rows are a second apart, back from now: two months of them. */
function timeAt(row: number): string {
  return encodeURIComponent(new Date(Date.now() - row * 500 - 5_000_000).toISOString());
}

async function fill({ progress, stop }: BenchContext, { admin, reset }: GatekeeperDatabase): Promise<void> {
  await reset();
  await admin.query('SELECT ensure_audit_partitions(2, 1)').catch(() => undefined);
  for (let from = 0; from < ROWS; from += ROWS_AT_ONCE) {
    stop.throwIfAborted();
    await admin.query(
      `WITH made AS (
         INSERT INTO audit_log (id, tenant_id, timestamp, service, ghost_id, action, resource, result, reason, request_id, session_id,
                                entities, metadata)
         SELECT gen_random_uuid(), 'default', now() - i * interval '0.5 second', 'service-' || i % ${SERVICES}, 'ghost-' || i % ${GHOSTS},
                'action-' || i % ${ACTIONS}, 'resource-' || i % ${RESOURCES},
                (ARRAY['ALLOWED', 'DENIED', 'FAILED', 'ALLOWED', 'ALLOWED'])[1 + i % 5],
                'group scout may word' || i % ${RESOURCES}, 'request-' || i, 'session-' || i % ${SESSIONS},
                jsonb_build_array(jsonb_build_object('kind', 'user', 'id', (i % ${GHOSTS})::text)),
                jsonb_build_object('policy_version', md5(i::text), 'purpose', 'notes of day ' || i % 365)
         FROM generate_series($1::int, $1 + $2 - 1) AS i
         RETURNING tenant_id, id, timestamp, ghost_id, session_id, entities)
       INSERT INTO event_entities (tenant_id, kind, id, timestamp, event_id)
       SELECT tenant_id, kind, entity, timestamp, id FROM made, LATERAL (VALUES
         ('ghost', ghost_id), ('session', session_id), ('user', entities -> 0 ->> 'id')) AS named (kind, entity)`,
      [from, ROWS_AT_ONCE],
    );
    progress(`${from + ROWS_AT_ONCE} of ${ROWS} rows`);
  }
  await admin.query('VACUUM ANALYZE audit_log, event_entities');
}

function adminToken(): Promise<string> {
  return new SignJWT({ groups: ['admin'] })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject('Supervisor')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}

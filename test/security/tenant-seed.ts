import { randomUUID } from 'node:crypto';
import { SERVICES, type ServiceName } from '#contracts';
import { agentToken, serviceToken, waitFor } from '#testing';
import { type ControlPlane } from '../support/control-plane.js';
import { AGENT } from './access-table.js';
import { ask } from './ask.js';

/** In everything that the first tenant keeps, and in nothing that anybody else says. */
export const SECRET = `secret-${randomUUID()}`;

export interface Seed {
  tenant: string;
  /** Reads that show the secret to its tenant. */
  reads: [ServiceName, string][];
  /** Reads that name the first tenant's data, and what they answer where there is none. */
  counts: [ServiceName, string, object][];
  /** Attempts to change it. */
  writes: [ServiceName, string, object?][];
}

/** Gives one tenant data in each service that keeps any: said, measured, paid for, decided, recorded. */
export async function seedTenant(plane: ControlPlane, group: string): Promise<Seed> {
  const tenant = 'keeper';
  const own = () => agentToken(AGENT, { groups: [group], tenant });
  const usageId = randomUUID();
  const eventId = randomUUID();
  const usage = {
    id: usageId,
    timestamp: new Date().toISOString(),
    tenant_id: tenant,
    ghost_id: AGENT,
    model: SECRET,
    provider: 'builtin',
    tier: 'L1',
    tokens_in: 7,
    tokens_out: 7,
    cost_usd: 1,
    latency_ms: 1,
    outcome: 'succeeded',
  };
  const measured = { event_type: 'keep', component: 'keep', value: 1, metadata: { note: SECRET, tokens: 5 } };
  const recorded = {
    id: eventId,
    timestamp: new Date().toISOString(),
    service: 'lobby',
    tenant_id: tenant,
    ghost_id: AGENT,
    action: 'keep',
    resource: 'keep',
    result: 'SUCCEEDED',
    reason: SECRET,
    entities: [{ kind: 'keep', id: 'keep' }],
  };
  const chat = { model: 'echo', messages: [{ role: 'user', content: SECRET }] };
  await succeed(ask(plane.lobby.url, 'POST /v1/chat/completions', await own(), chat));
  await succeed(ask(plane.telemetry.url, 'POST /v1/telemetry/log', await own(), measured));
  const telemetry = await serviceToken('router', 'telemetry');
  await succeed(ask(plane.telemetry.url, 'POST /v1/telemetry/batch', telemetry, { usage: [usage] }));
  const gatekeeper = await serviceToken('lobby', 'gatekeeper');
  await succeed(ask(plane.gatekeeper.url, 'POST /v1/audit/events', gatekeeper, { events: [recorded] }));
  const revoked = { jti: randomUUID(), reason: SECRET };
  await succeed(ask(plane.gatekeeper.url, 'POST /v1/tokens/revoke', await own(), revoked));
  // What is missing after that, the test names.
  await waitFor(
    'everything that was said to be stored',
    async () => [...(await rowsOf(plane, tenant)).values()].every((rows) => rows.length > 0),
    20_000,
  ).catch(() => undefined);

  const history = await ask(plane.lobby.url, 'GET /v1/history', await own());
  const [message] = (JSON.parse(history.text) as { history: { id: string }[] }).history;
  return {
    tenant,
    reads: [
      ['gatekeeper', 'GET /v1/audit/events'],
      ['gatekeeper', `GET /v1/audit/events?ghost_id=${AGENT}&action=keep`],
      ['gatekeeper', 'GET /v1/audit/events?entity=keep:keep'],
      ['gatekeeper', `GET /v1/audit/events/${eventId}`],
      ['gatekeeper', 'GET /v1/tokens/revoked'],
      ['telemetry', 'GET /v1/telemetry/events'],
      ['telemetry', 'GET /v1/telemetry/events?component=keep&event_type=keep'],
      ['telemetry', 'GET /v1/usage/summary?group_by=model'],
      ['lobby', 'GET /v1/history'],
      ['lobby', `GET /v1/history?ghost_id=${AGENT}`],
    ],
    counts: [
      ['gatekeeper', 'GET /v1/audit/events?action=keep', { events: [], next_cursor: null }],
      ['gatekeeper', `GET /v1/audit/events/${eventId}`, { status: 404 }],
      ['telemetry', 'GET /v1/telemetry/stats?component=keep', { measurement_count: 0, total_tokens: 0 }],
      ['telemetry', 'GET /v1/telemetry/events?component=keep', { events: [], count: 0 }],
      ['lobby', `GET /v1/history?before=${message!.id}`, { status: 400 }],
    ],
    writes: [
      ['gatekeeper', 'POST /v1/tokens/revoke', { jti: revoked.jti, reason: 'taken' }],
      ['lobby', 'DELETE /v1/history'],
      ['lobby', `DELETE /v1/history?ghost_id=${AGENT}`],
      ['telemetry', 'POST /v1/usage', { ...usage, model: 'taken', cost_usd: 0 }],
      ['telemetry', 'POST /v1/telemetry/batch', { usage: [{ ...usage, model: 'taken' }] }],
    ],
  };
}

/** What grows with each event of the tenant: its rows change, and what they say is checked where the log is. */
const GROWING = ['tlog_trees', 'tlog_tiles'];
/** What there is only with witnesses; their own tests look at both tenants. */
const WITNESSED = ['tlog_cosignatures', 'tlog_witnesses'];

/** A tenant's rows, as text, by `service.table`: of every table that has a column for the tenant. */
export async function rowsOf(plane: ControlPlane, tenant: string): Promise<Map<string, string[]>> {
  const all = new Map<string, string[]>();
  for (const name of SERVICES) {
    const { query } = plane[name].database;
    const tables = await query<{ relname: string }>(`
      SELECT relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`);
    for (const { relname } of tables.filter((table) => ![...GROWING, ...WITNESSED].includes(table.relname))) {
      const rows = await query<{ line: string }>(`SELECT t::text AS line FROM ${relname} t WHERE tenant_id = $1`, [
        tenant,
      ]);
      all.set(
        `${name}.${relname}`,
        rows.map(({ line }) => line),
      );
    }
  }
  return all;
}

async function succeed(answer: ReturnType<typeof ask>): Promise<void> {
  const { status, text } = await answer;
  if (status >= 300) throw new Error(`seeding was answered ${status}: ${text}`);
}

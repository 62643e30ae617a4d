import { randomUUID } from 'node:crypto';
import { type ServiceName } from '#contracts';
import { type Right, type Rule } from './access-rules.js';

/**
 * One way to ask an endpoint. Where what it needs depends on what is asked (one's own history, another's), it has a row for each.
 */
export interface Row {
  service: ServiceName;
  /** As the OpenAPI document has it: `GET /v1/things/{id}`. */
  endpoint: string;
  rule: Rule;
  /** The path that is asked, where it is not the endpoint's own. */
  path?: string;
  /** Made anew for each call. */
  body?: () => object;
  /** False for what the document leaves out: metrics and the documentation itself. */
  documented?: false;
}

/** The agent of every row, under whatever token. It has a certificate. */
export const AGENT = 'Scout';
/** Another agent with a certificate, and a session of its own that `prepare` starts. */
export const OTHER = 'Librarian';
export const OTHERS_SESSION = 'session-of-another';
export const OWN_SESSION = 'session-of-its-own';

const open: Rule = { kind: 'public' };
const authenticated: Rule = { kind: 'authenticated' };
const serviceOnly: Rule = { kind: 'service' };
const right = (action: string, resource: string): Rule => ({ kind: 'right', right: { action, resource } });
const agent = (service: 401 | 403, needed?: Right): Rule => ({
  kind: 'agent',
  service,
  ...(needed && { right: needed }),
});

const ofTenant: Rule = { kind: 'right', right: { action: 'read', resource: 'audit/events' }, ofTenant: true };

const ECHO: Right = { action: 'execute', resource: 'shells/l1/echo' };
const chat = () => ({ model: 'echo', messages: [{ role: 'user', content: 'hello' }] });
const usage = () => ({
  id: randomUUID(),
  timestamp: new Date().toISOString(),
  ghost_id: AGENT,
  model: 'echo',
  provider: 'builtin',
  tier: 'L1',
  tokens_in: 1,
  tokens_out: 1,
  cost_usd: 0,
  latency_ms: 1,
  outcome: 'succeeded',
});
const event = () => ({
  id: randomUUID(),
  timestamp: new Date().toISOString(),
  service: 'lobby',
  action: 'test',
  resource: 'test',
  result: 'SUCCEEDED',
});

/** Who may ask what, in all services. A new endpoint needs a row here. */
const TABLES: Record<ServiceName, Omit<Row, 'service'>[]> = {
  gatekeeper: [
    { endpoint: 'POST /validate', body: () => ECHO, rule: agent(401, ECHO) },
    { endpoint: 'POST /v1/policy/explain', body: () => ECHO, rule: agent(403) },
    { endpoint: 'POST /v1/policy/reload', rule: right('write', 'gatekeeper/policy') },
    { endpoint: 'POST /v1/tokens/introspect', body: () => ({ token: 'x' }), rule: serviceOnly },
    {
      endpoint: 'POST /v1/tokens/revoke',
      body: () => ({ jti: randomUUID() }),
      rule: right('write', 'gatekeeper/tokens'),
    },
    { endpoint: 'GET /v1/tokens/revoked', rule: right('read', 'gatekeeper/tokens') },
    { endpoint: 'POST /v1/audit/events', body: () => ({ events: [event()] }), rule: serviceOnly },
    { endpoint: 'GET /v1/audit/events', rule: right('read', 'audit/events') },
    {
      endpoint: 'GET /v1/audit/events/{id}',
      path: '/v1/audit/events/00000000-0000-7000-8000-000000000000',
      rule: right('read', 'audit/events'),
    },
    { endpoint: 'GET /v1/audit/key', rule: open },
    { endpoint: 'GET /v1/audit/checkpoint', rule: right('read', 'audit/events') },
    {
      endpoint: 'GET /v1/audit/proof/{id}',
      path: '/v1/audit/proof/00000000-0000-7000-8000-000000000000',
      rule: right('read', 'audit/events'),
    },
    { endpoint: 'GET /v1/audit/consistency', rule: right('read', 'audit/events') },
    { endpoint: 'GET /v1/audit/witness', rule: right('read', 'audit/events') },
    {
      endpoint: 'GET /v1/audit/tlog/{tenant}/checkpoint',
      path: '/v1/audit/tlog/first/checkpoint',
      rule: ofTenant,
    },
    {
      endpoint: 'GET /v1/audit/tlog/{tenant}/tile/{path}',
      path: '/v1/audit/tlog/first/tile/0/000',
      rule: ofTenant,
    },
    { endpoint: 'GET /v1/audit/export', rule: right('read', 'audit/events') },
    { endpoint: 'GET /v1/audit/stats', rule: right('read', 'audit/events') },
    { endpoint: 'GET /v1/audit/stats/timeline', rule: right('read', 'audit/events') },
  ],
  guardian: [
    { endpoint: 'POST /validate', body: () => ({ agent: OTHER }), rule: authenticated },
    { endpoint: 'GET /badges/{ghost_id}', path: `/badges/${AGENT}`, rule: authenticated },
    { endpoint: 'GET /badges/{ghost_id}', path: `/badges/${OTHER}`, rule: right('read', `guardian/badges/${OTHER}`) },
    {
      endpoint: 'PUT /badges/{ghost_id}/{badge}',
      path: '/badges/New/reader',
      rule: right('write', 'guardian/badges/New'),
    },
    {
      endpoint: 'DELETE /badges/{ghost_id}/{badge}',
      path: '/badges/New/reader',
      rule: right('write', 'guardian/badges/New'),
    },
    { endpoint: 'GET /badges/{ghost_id}/{badge}', path: `/badges/${AGENT}/reader`, rule: authenticated },
    {
      endpoint: 'GET /badges/{ghost_id}/{badge}',
      path: `/badges/${OTHER}/reader`,
      rule: right('read', `guardian/badges/${OTHER}`),
    },
    { endpoint: 'GET /certificates', rule: authenticated },
    { endpoint: 'GET /certificates/{agent}/current', path: `/certificates/${AGENT}/current`, rule: authenticated },
    {
      endpoint: 'GET /certificates/{agent}/current',
      path: `/certificates/${OTHER}/current`,
      rule: right('read', `guardian/certificates/${OTHER}`),
    },
    {
      endpoint: 'POST /certificates/{agent}/renew',
      path: '/certificates/New/renew',
      body: () => ({}),
      rule: right('write', 'guardian/certificates/New'),
    },
    { endpoint: 'GET /signing-keys', rule: authenticated },
    { endpoint: 'POST /signing-keys/rotate', rule: right('write', 'guardian/signing-keys') },
    {
      endpoint: 'POST /signing-keys/{key_id}/revoke',
      path: `/signing-keys/${'0'.repeat(64)}/revoke`,
      body: () => ({}),
      rule: right('write', 'guardian/signing-keys'),
    },
    {
      endpoint: 'GET /certificates',
      path: `/certificates?agent=${OTHER}`,
      rule: right('read', `guardian/certificates/${OTHER}`),
    },
    {
      endpoint: 'POST /certificates',
      body: () => ({ agent: 'New', ttl: '1h' }),
      rule: right('write', 'guardian/certificates/New'),
    },
    {
      endpoint: 'DELETE /certificates/{agent}',
      path: '/certificates/New',
      rule: right('write', 'guardian/certificates/New'),
    },
    {
      endpoint: 'POST /session/start',
      body: () => ({ agent: AGENT, session_id: randomUUID() }),
      rule: authenticated,
    },
    {
      endpoint: 'POST /session/start',
      body: () => ({ agent: OTHER, session_id: randomUUID() }),
      rule: right('write', `guardian/sessions/${OTHER}`),
    },
    { endpoint: 'POST /session/heartbeat', body: () => ({ session_id: OWN_SESSION }), rule: authenticated },
    {
      endpoint: 'POST /session/heartbeat',
      body: () => ({ session_id: OTHERS_SESSION }),
      rule: right('write', `guardian/sessions/${OTHER}`),
    },
    { endpoint: 'POST /session/end', body: () => ({ session_id: OWN_SESSION }), rule: authenticated },
    {
      endpoint: 'POST /session/end',
      body: () => ({ session_id: OTHERS_SESSION }),
      rule: right('write', `guardian/sessions/${OTHER}`),
    },
    { endpoint: 'GET /stats', rule: authenticated },
    { endpoint: 'GET /stats', path: `/stats?agent=${OTHER}`, rule: right('read', `guardian/stats/${OTHER}`) },
  ],
  telemetry: [
    { endpoint: 'POST /v1/telemetry/log', body: () => ({ event_type: 'test' }), rule: authenticated },
    { endpoint: 'POST /v1/telemetry/batch', body: () => ({ events: [{ event_type: 'test' }] }), rule: authenticated },
    {
      endpoint: 'POST /v1/telemetry/batch',
      body: () => ({ usage: [usage()] }),
      rule: right('write', 'telemetry/usage'),
    },
    { endpoint: 'GET /v1/telemetry/events', rule: authenticated },
    { endpoint: 'GET /v1/telemetry/stats', rule: authenticated },
    { endpoint: 'POST /v1/usage', body: usage, rule: right('write', 'telemetry/usage') },
    { endpoint: 'GET /v1/usage/summary', path: '/v1/usage/summary?group_by=model', rule: authenticated },
  ],
  router: [
    { endpoint: 'GET /v1/models', rule: authenticated },
    { endpoint: 'GET /v1/registry/models', rule: authenticated },
    { endpoint: 'POST /v1/registry/reload', rule: right('write', 'router/registry') },
    { endpoint: 'POST /v1/chat/completions', body: chat, rule: agent(401, ECHO) },
  ],
  lobby: [
    { endpoint: 'GET /', rule: open },
    { endpoint: 'GET /health/detailed', rule: open },
    { endpoint: 'GET /health/stream', rule: open },
    { endpoint: 'GET /v1/models', rule: authenticated },
    { endpoint: 'GET /v1/registry/models', rule: authenticated },
    { endpoint: 'POST /v1/chat/completions', body: chat, rule: agent(403, ECHO) },
    { endpoint: 'GET /v1/history', rule: authenticated },
    { endpoint: 'GET /v1/history', path: `/v1/history?ghost_id=${OTHER}`, rule: right('read', `history/${OTHER}`) },
    { endpoint: 'DELETE /v1/history', rule: authenticated },
    { endpoint: 'DELETE /v1/history', path: `/v1/history?ghost_id=${OTHER}`, rule: right('write', `history/${OTHER}`) },
  ],
};

const OF_EVERY_SERVICE: Omit<Row, 'service'>[] = [
  { endpoint: 'GET /health', rule: open },
  { endpoint: 'GET /health/live', rule: open },
  { endpoint: 'GET /health/ready', rule: open },
  { endpoint: 'GET /metrics', rule: open, documented: false },
  { endpoint: 'GET /docs', rule: open, documented: false },
  { endpoint: 'GET /docs/json', rule: open, documented: false },
];

export const ACCESS_TABLE: readonly Row[] = Object.entries(TABLES).flatMap(([service, rows]) =>
  [...rows, ...OF_EVERY_SERVICE].map((row) => ({ service: service as ServiceName, ...row })),
);

/** Every right that some row needs, each once. */
export const RIGHTS: readonly Right[] = [
  ...new Map(
    ACCESS_TABLE.flatMap(({ rule }) => ('right' in rule && rule.right ? [rule.right] : [])).map((needed) => [
      nameOf(needed),
      needed,
    ]),
  ).values(),
];

export function nameOf({ action, resource }: Right): string {
  return `${action} ${resource}`;
}

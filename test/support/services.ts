import { type ServiceName } from '#contracts';
import { type ServiceDefinition, type WithService } from '#service';
import { gatekeeper } from '../../apps/gatekeeper/src/app.module.js';
import { guardian } from '../../apps/guardian/src/app.module.js';
import { lobby } from '../../apps/lobby/src/app.module.js';
import { router } from '../../apps/router/src/app.module.js';
import { telemetry } from '../../apps/telemetry/src/app.module.js';

export interface NamedService {
  name: ServiceName;
  definition: ServiceDefinition<WithService>;
  /** What it owns. */
  tables: string[];
  /** What it answers, beside health, metrics and documentation. */
  endpoints: string[];
}

/** All five, in the order in which each finds its peers. A definition reads its own configuration, so its exact type does not matter. */
export const ALL_SERVICES = [
  {
    name: 'gatekeeper',
    definition: gatekeeper,
    tables: [
      'access_policies',
      'audit_log',
      'audit_quarantine',
      'audit_seals',
      'event_entities',
      'revoked_tokens',
      'tlog_checkpoints',
      'tlog_cosignatures',
      'tlog_leaves',
      'tlog_sequencer',
      'tlog_tiles',
      'tlog_trees',
      'tlog_witnesses',
    ],
    endpoints: [
      'GET /v1/audit/checkpoint',
      'GET /v1/audit/consistency',
      'GET /v1/audit/events',
      'GET /v1/audit/events/{id}',
      'GET /v1/audit/export',
      'GET /v1/audit/key',
      'GET /v1/audit/proof/{id}',
      'GET /v1/audit/stats',
      'GET /v1/audit/stats/timeline',
      'GET /v1/audit/tlog/{tenant}/checkpoint',
      'GET /v1/audit/tlog/{tenant}/tile/{path}',
      'GET /v1/audit/witness',
      'GET /v1/tokens/revoked',
      'POST /v1/audit/events',
      'POST /v1/policy/explain',
      'POST /v1/policy/reload',
      'POST /v1/tokens/introspect',
      'POST /v1/tokens/revoke',
      'POST /validate',
    ],
  },
  {
    name: 'guardian',
    definition: guardian,
    tables: ['agent_badges', 'agent_sessions', 'certificates', 'signing_keys'],
    endpoints: [
      'DELETE /badges/{ghost_id}/{badge}',
      'DELETE /certificates/{agent}',
      'GET /badges/{ghost_id}',
      'GET /badges/{ghost_id}/{badge}',
      'GET /certificates',
      'GET /certificates/{agent}/current',
      'GET /signing-keys',
      'GET /stats',
      'POST /certificates',
      'POST /certificates/{agent}/renew',
      'POST /session/end',
      'POST /session/heartbeat',
      'POST /session/start',
      'POST /signing-keys/rotate',
      'POST /signing-keys/{key_id}/revoke',
      'POST /validate',
      'PUT /badges/{ghost_id}/{badge}',
    ],
  },
  {
    name: 'telemetry',
    definition: telemetry,
    tables: ['system_telemetry', 'usage_stats'],
    endpoints: [
      'GET /v1/telemetry/events',
      'GET /v1/telemetry/stats',
      'GET /v1/usage/summary',
      'POST /v1/telemetry/batch',
      'POST /v1/telemetry/log',
      'POST /v1/usage',
    ],
  },
  {
    name: 'router',
    definition: router,
    tables: ['ghosts', 'routing_decisions', 'shells'],
    endpoints: ['GET /v1/models', 'GET /v1/registry/models', 'POST /v1/chat/completions', 'POST /v1/registry/reload'],
  },
  {
    name: 'lobby',
    definition: lobby,
    tables: ['history'],
    endpoints: [
      'DELETE /v1/history',
      'GET /',
      'GET /v1/history',
      'GET /v1/models',
      'GET /v1/registry/models',
      'POST /v1/chat/completions',
    ],
  },
] as unknown as NamedService[];

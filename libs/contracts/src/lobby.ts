import { z } from 'zod';
import { auditStats } from './audit.js';
import { name, timestamp, uuid } from './common.js';

export const historyQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  ghost_id: name.optional(),
  /** Only what is older than this time, or than the message with this id. */
  before: z.union([uuid, timestamp]).optional(),
});
export type HistoryQuery = z.output<typeof historyQuery>;

export const HISTORY_ROLES = ['user', 'assistant'] as const;
export const HISTORY_STATUSES = ['complete', 'partial'] as const;

/** `partial`: the answer was cut short. `truncated`: it is longer than what is kept of it. */
export const historyMessage = z.object({
  id: uuid,
  ghost_id: z.string(),
  role: z.enum(HISTORY_ROLES),
  content: z.string(),
  model: z.string().nullable(),
  session_id: z.string().nullable(),
  request_id: z.string().nullable(),
  created_at: timestamp,
  status: z.enum(HISTORY_STATUSES),
  truncated: z.boolean(),
});
export type HistoryMessage = z.output<typeof historyMessage>;

export const historyPage = z.object({
  history: z.array(historyMessage),
  count: z.number().int(),
  next_before: uuid.nullable(),
});
export type HistoryPage = z.output<typeof historyPage>;

export const historyClearQuery = z.object({ ghost_id: name.optional() });
export const historyCleared = z.object({ deleted: z.number().int() });
export type HistoryCleared = z.output<typeof historyCleared>;

/** One service, as the lobby sees it. `unreachable`: it gave no answer in time, or none that makes sense. */
export const serviceStatus = z.object({
  status: z.enum(['healthy', 'unhealthy', 'unreachable']),
  database: z.boolean().nullable(),
  audit: auditStats.nullable(),
  latency_ms: z.number(),
  error: z.string().optional(),
});
export type ServiceStatus = z.output<typeof serviceStatus>;

export const detailedHealth = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  checked_at: timestamp,
  services: z.record(z.string(), serviceStatus),
});
export type DetailedHealth = z.output<typeof detailedHealth>;

export const lobbyWelcome = z.object({ service: z.literal('lobby'), docs: z.string(), health: z.string() });
export type LobbyWelcome = z.output<typeof lobbyWelcome>;

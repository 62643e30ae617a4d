import { z } from 'zod';
import { metadata, name, timestamp, uuid } from './common.js';

/** Far from where a sum of squares leaves the range of a double, so that no single value can spoil an average. */
const MAX_VALUE = 1e100;
const MAX_COST_USD = 1_000_000;
/** Eleven days, in milliseconds. */
const MAX_LATENCY_MS = 1e9;

export const telemetryEvent = z.object({
  event_type: name,
  component: name.optional(),
  value: z.number().min(-MAX_VALUE).max(MAX_VALUE).optional(),
  metadata: metadata.default({}),
  status: name.optional(),
});
export type TelemetryEvent = z.input<typeof telemetryEvent>;

/** An event as a service reports it: it may speak of a ghost, and of an earlier time. Of an agent's events both are stamped. */
export const reportedEvent = telemetryEvent.extend({
  timestamp: timestamp.optional(),
  ghost_id: name.optional(),
  tenant_id: name.optional(),
});
export type ReportedEvent = z.input<typeof reportedEvent>;

export const MAX_TELEMETRY_BATCH = 1000;

/** One model call, as the router reports it. Costs in US dollars, latency in milliseconds. The id makes it count once. */
export const usageRecord = z.object({
  id: uuid,
  timestamp,
  tenant_id: name.default('default'),
  ghost_id: name,
  model: name,
  provider: name,
  tier: name,
  tokens_in: z.number().int().min(0),
  tokens_out: z.number().int().min(0),
  cost_usd: z.number().min(0).max(MAX_COST_USD),
  latency_ms: z.number().min(0).max(MAX_LATENCY_MS),
  outcome: name,
  session_id: name.optional(),
});
export type UsageRecord = z.input<typeof usageRecord>;

/** The same as a person may post it; what is left out is stamped. */
export const usageRequest = usageRecord.extend({
  id: usageRecord.shape.id.optional(),
  timestamp: usageRecord.shape.timestamp.optional(),
  provider: usageRecord.shape.provider.default('unknown'),
  tier: usageRecord.shape.tier.default('unknown'),
  cost_usd: usageRecord.shape.cost_usd.default(0),
  latency_ms: usageRecord.shape.latency_ms.default(0),
  outcome: usageRecord.shape.outcome.default('succeeded'),
});

/** Events and usage together: what a service sends every so often. */
export const telemetryBatch = z
  .object({
    events: z.array(reportedEvent).max(MAX_TELEMETRY_BATCH).default([]),
    usage: z.array(usageRecord).max(MAX_TELEMETRY_BATCH).default([]),
  })
  .refine((batch) => batch.events.length + batch.usage.length > 0, 'expected at least one event or usage record');
export type TelemetryBatch = z.input<typeof telemetryBatch>;

export const telemetryAccepted = z.object({ success: z.literal(true), message: z.string() });
export type TelemetryAccepted = z.output<typeof telemetryAccepted>;

/** `accepted.usage`: records that are new. `duplicates`: usage ids that were there already. */
export const telemetryBatchAccepted = telemetryAccepted.extend({
  accepted: z.object({ events: z.number().int(), usage: z.number().int() }),
  duplicates: z.number().int(),
});
export type TelemetryBatchAccepted = z.output<typeof telemetryBatchAccepted>;

/** A year back at most. */
const hours = z.coerce.number().gt(0).max(8760).default(24);

export const telemetryEventsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  component: name.optional(),
  event_type: name.optional(),
  hours,
});
export type TelemetryEventsQuery = z.output<typeof telemetryEventsQuery>;

export const telemetryEvents = z.object({
  events: z.array(
    z.object({
      id: uuid,
      timestamp,
      event_type: z.string(),
      component: z.string().nullable(),
      value: z.number().nullable(),
      status: z.string().nullable(),
      metadata: z.record(z.string(), z.unknown()),
      ghost_id: z.string().nullable(),
    }),
  ),
  count: z.number().int(),
});
export type TelemetryEvents = z.output<typeof telemetryEvents>;

export const telemetryStatsQuery = z.object({ component: name.optional(), hours });
export type TelemetryStatsQuery = z.output<typeof telemetryStatsQuery>;

export const telemetryStats = z.object({
  component: z.string().nullable(),
  measurement_count: z.number().int(),
  avg_efficiency_score: z.number().nullable(),
  best_efficiency: z.number().nullable(),
  worst_efficiency: z.number().nullable(),
  total_tokens: z.number(),
  time_window_hours: z.number(),
});
export type TelemetryStats = z.output<typeof telemetryStats>;

export const USAGE_GROUPS = ['ghost', 'model', 'day'] as const;
const time = z.union([timestamp, z.iso.date()]);

/** `from` is inclusive, `to` exclusive; a date means its midnight in UTC. */
export const usageSummaryQuery = z
  .object({ group_by: z.enum(USAGE_GROUPS).default('ghost'), from: time.optional(), to: time.optional() })
  .refine(({ from, to }) => !from || !to || Date.parse(from) < Date.parse(to), {
    path: ['from'],
    message: 'must be before to',
  });
export type UsageSummaryQuery = z.output<typeof usageSummaryQuery>;

const usageTotal = z.object({
  calls: z.number().int(),
  tokens_in: z.number().int(),
  tokens_out: z.number().int(),
  cost_usd: z.number(),
});

export const usageSummary = z.object({
  group_by: z.enum(USAGE_GROUPS),
  from: timestamp.nullable(),
  to: timestamp.nullable(),
  groups: z.array(usageTotal.extend({ key: z.string(), avg_latency_ms: z.number() })),
  total: usageTotal,
});
export type UsageSummary = z.output<typeof usageSummary>;

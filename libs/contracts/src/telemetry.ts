import { z } from 'zod';
import { metadata, name, timestamp, uuid } from './common.js';

export const telemetryEvent = z.object({
  event_type: name,
  component: name.optional(),
  value: z.number().finite().optional(),
  metadata: metadata.default({}),
  status: name.optional(),
});
export type TelemetryEvent = z.input<typeof telemetryEvent>;

export const MAX_TELEMETRY_BATCH = 1000;

/** One model call, as the router reports it. Costs in US dollars, latency in milliseconds. */
export const usageRecord = z.object({
  id: uuid,
  timestamp,
  ghost_id: name,
  model: name,
  provider: name,
  tier: name,
  tokens_in: z.number().int().min(0),
  tokens_out: z.number().int().min(0),
  cost_usd: z.number().min(0),
  latency_ms: z.number().min(0),
  outcome: name,
  session_id: name.optional(),
});
export type UsageRecord = z.input<typeof usageRecord>;

/** Events and usage together: what a service sends every so often. */
export const telemetryBatch = z
  .object({
    events: z.array(telemetryEvent).max(MAX_TELEMETRY_BATCH).default([]),
    usage: z.array(usageRecord).max(MAX_TELEMETRY_BATCH).default([]),
  })
  .refine((batch) => batch.events.length + batch.usage.length > 0, 'expected at least one event or usage record');
export type TelemetryBatch = z.input<typeof telemetryBatch>;

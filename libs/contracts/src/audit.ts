import { z } from 'zod';
import { metadata, name, text, timestamp, uuid } from './common.js';

export const AUDIT_RESULTS = ['ALLOWED', 'DENIED', 'UNAUTHENTICATED', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export const auditResult = z.enum(AUDIT_RESULTS);
export type AuditResult = z.output<typeof auditResult>;

export const auditEntity = z.object({ kind: name, id: text(500, 1) });
export type AuditEntity = z.output<typeof auditEntity>;

export const DEFAULT_TENANT = 'default';

/** What a service says when something happened. Identity, time and service are stamped by the logger. */
export const auditRecord = z.object({
  tenant_id: name.default(DEFAULT_TENANT),
  ghost_id: name.nullable().default(null),
  shell_id: name.nullable().default(null),
  action: name,
  resource: text(1000, 1),
  result: auditResult,
  reason: text(4000).default(''),
  request_id: text(200).nullable().default(null),
  session_id: text(200).nullable().default(null),
  entities: z.array(auditEntity).max(64).default([]),
  metadata: metadata.default({}),
});
export type AuditRecord = z.input<typeof auditRecord>;

/**
 * One line of the audit trail. `producer` is one logger's life, from its start to its end, and `sequence` counts its events from 1
 * without a gap: a number that is missing is an event that is missing. Both are null for events that nobody numbered.
 */
export const auditEvent = auditRecord.extend({
  id: uuid,
  timestamp,
  service: name,
  producer: uuid.nullable().default(null),
  sequence: z.number().int().min(1).nullable().default(null),
});
export type AuditEvent = z.output<typeof auditEvent>;

export const MAX_INGEST_EVENTS = 5000;

export const ingestRequest = z.object({ events: z.array(auditEvent).min(1).max(MAX_INGEST_EVENTS) });
export type IngestRequest = z.input<typeof ingestRequest>;

/** `accepted`: now durable. `duplicates`: ids that were there already. */
export const ingestResponse = z.object({ accepted: z.number().int(), duplicates: z.number().int() });
export type IngestResponse = z.output<typeof ingestResponse>;

/**
 * accepted = persisted + queued + spooled + dead_lettered + damaged; dropped is what is missing from that, and exists to be zero.
 * `queued` events are in memory, `spooled` ones only on disk; `refused` ones were never accepted. The rest tells of the moment: events in
 * the last batch, the age of the oldest event that is not in the sink, the sink's time for the last batch and the disk's for the last
 * fdatasync (0 before the first). What has a default was added later: a service of an older release does not say it.
 */
export const auditStats = z.object({
  accepted: z.number().int(),
  persisted: z.number().int(),
  queued: z.number().int(),
  spooled: z.number().int(),
  dropped: z.number().int(),
  dead_lettered: z.number().int(),
  damaged: z.number().int().default(0),
  refused: z.number().int(),
  retries: z.number().int(),
  batch_size: z.number().int().default(0),
  lag_ms: z.number().default(0),
  flush_ms: z.number().default(0),
  fsync_ms: z.number().default(0),
});
export type AuditStats = z.output<typeof auditStats>;

/** For services: whose events. An agent sees its own tenant's. */
export const auditTenant = z.object({ tenant_id: name.optional() });

/** All combined: an event must match each. `entity` also finds an event by its actor, session or shell (`ghost:`, `session:`, `shell:`). */
export const auditFilters = auditTenant.extend({
  ghost_id: name.optional(),
  action: name.optional(),
  resource: text(1000, 1).optional(),
  result: auditResult.optional(),
  service: name.optional(),
  session_id: text(200, 1).optional(),
  request_id: text(200, 1).optional(),
  shell_id: name.optional(),
  entity: text(701, 3)
    .regex(/^[^:]{1,200}:[^]{1,500}$/, 'expected kind:id')
    .optional(),
  /** Words of reason and metadata, as a search engine takes them: `"a phrase"`, `or`, `-without`. */
  q: text(500, 1).optional(),
  from: timestamp.optional(),
  to: timestamp.optional(),
});
export type AuditFilters = z.output<typeof auditFilters>;

export const auditQuery = auditFilters.extend({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(200).optional(),
});
export type AuditQuery = z.output<typeof auditQuery>;

export const AUDIT_EXPORT_FORMATS = ['ndjson', 'csv'] as const;

export const auditExportQuery = auditFilters.extend({ format: z.enum(AUDIT_EXPORT_FORMATS).default('ndjson') });
export type AuditExportQuery = z.output<typeof auditExportQuery>;

/** At most 31 days; the last 24 hours unless said otherwise. */
export const auditTimelineQuery = auditTenant.extend({ from: timestamp.optional(), to: timestamp.optional() });
export type AuditTimelineQuery = z.output<typeof auditTimelineQuery>;

/** Hours of UTC in which something happened, oldest first; results that did not occur are 0. */
export const auditTimeline = z.object({
  from: z.string(),
  to: z.string(),
  hours: z.array(
    z.object({ hour: z.string(), total: z.number().int(), results: z.record(auditResult, z.number().int()) }),
  ),
});
export type AuditTimeline = z.output<typeof auditTimeline>;

/** A logger's numbers, and the events that wait for a month that the trail does not have. */
export const auditTrailStats = auditStats.extend({ quarantined: z.number().int() });
export type AuditTrailStats = z.output<typeof auditTrailStats>;

export const auditPage = z.object({ events: z.array(auditEvent), next_cursor: z.string().nullable() });
export type AuditPage = z.output<typeof auditPage>;

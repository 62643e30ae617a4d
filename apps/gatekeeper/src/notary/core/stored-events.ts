/**
 * What to select from audit_log for `canonicalStoredEvent` (`StoredEvent`): nothing may be lost on the way, so times are text with
 * microseconds, and jsonb is text with all digits of its numbers.
 */
export const STORED_EVENT_COLUMNS = `
  id, tenant_id, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp, service, ghost_id, shell_id,
  action, resource, result, reason, request_id, session_id, entities::text AS entities, metadata::text AS metadata, producer,
  sequence::text AS sequence`;

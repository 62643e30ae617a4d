import { type AuditEvent } from '#contracts';
import { TlogError } from '../errors.js';
import { canonicalJson, canonicalText } from './canonical-json.js';
import { canonicalTime } from './event-time.js';
import { parseStoredJson } from './stored-json.js';

/**
 * An event as its row has it, read so that nothing is lost: the time as UTC with microseconds, jsonb as text, `sequence` as PostgreSQL
 * writes a bigint.
 */
export type StoredEvent = Omit<AuditEvent, 'entities' | 'metadata' | 'sequence' | 'result'> & {
  result: string;
  entities: string;
  metadata: string;
  sequence: string | number | null;
};

/**
 * An event in the one spelling that its leaf is made of: RFC 8785 JSON of exactly the members of an audit event, the time in UTC with
 * microseconds, ids in lower case.
 *
 * It is a function of the stored row: `canonicalEvent(event)` is `canonicalStoredEvent(row)` of the row that the event became.
 *
 * @throws TlogError tlog_argument when it is not an event
 */
export function canonicalEvent(event: AuditEvent): string {
  return write(event, canonicalJson(event.entities), canonicalJson(event.metadata));
}

/** @throws TlogError tlog_argument, tlog_malformed when the row is not what an event becomes */
export function canonicalStoredEvent(row: StoredEvent): string {
  return write(row, canonicalJson(parseStoredJson(row.entities)), canonicalJson(parseStoredJson(row.metadata)));
}

type Scalars = Omit<StoredEvent, 'entities' | 'metadata'>;

function write(event: Scalars, entities: string, metadata: string): string {
  return (
    `{"action":${canonicalText(event.action)},"entities":${entities},"ghost_id":${orNull(event.ghost_id)},` +
    `"id":${uuidText(event.id)},"metadata":${metadata},` +
    `"producer":${event.producer === null ? 'null' : uuidText(event.producer)},"reason":${canonicalText(event.reason)},` +
    `"request_id":${orNull(event.request_id)},"resource":${canonicalText(event.resource)},` +
    `"result":${canonicalText(event.result)},"sequence":${sequenceText(event.sequence)},` +
    `"service":${canonicalText(event.service)},"session_id":${orNull(event.session_id)},` +
    `"shell_id":${orNull(event.shell_id)},"tenant_id":${canonicalText(event.tenant_id)},` +
    `"timestamp":"${canonicalTime(event.timestamp)}"}`
  );
}

function orNull(text: string | null): string {
  return text === null ? 'null' : canonicalText(text);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function uuidText(text: string): string {
  const uuid = String(text).toLowerCase();
  if (!UUID.test(uuid)) throw new TlogError('tlog_argument', 'canonical event: an id is not a UUID');
  return `"${uuid}"`;
}

const BIGINT = /^(?:0|-?[1-9]\d{0,18})$/;

function sequenceText(sequence: string | number | null): string {
  if (sequence === null) return 'null';
  const text = String(sequence);
  if (!BIGINT.test(text)) throw new TlogError('tlog_argument', 'canonical event: sequence is not a whole number');
  return text;
}

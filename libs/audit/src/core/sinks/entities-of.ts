import { createHash } from 'node:crypto';
import { type AuditEntity, type AuditEvent } from '#contracts';

/** A row of event_entities; a type and not an interface, so that it passes for a record of values. */

export type EntityRow = {
  tenant_id: string;
  kind: string;
  id: string;
  timestamp: string;
  event_id: string;
};

/** A ghost, a session or a resource that names an entity itself. */
const WRITTEN = /^([a-z][a-z0-9_-]{0,49}):([^]+)$/;
/** An index entry holds 2700 bytes, of which tenant and kind may take 1200. */
const MAX_ID_BYTES = 1000;

/** By what id an entity is filed: its own, or the digest of one that is too long for an index. */
export function filedId(id: string): string {
  // Three bytes a character at most.
  if (id.length * 3 <= MAX_ID_BYTES || Buffer.byteLength(id) <= MAX_ID_BYTES) return id;
  return `sha256:${createHash('sha256').update(id).digest('hex')}`;
}

/**
 * Under what an event is found: what it names, its ghost, session and shell by their kind, and a ghost, session or resource that is
 * written as `kind:id` by that too. Each once. The same as the SQL function `audit_entities_of`.
 */
export function entitiesOf(event: AuditEvent): AuditEntity[] {
  const { ghost_id, session_id, shell_id, resource, entities } = event;
  const found: AuditEntity[] = [];
  const add = (kind: string, id: string | null): void => {
    if (id && !found.some((entity) => entity.kind === kind && entity.id === id)) found.push({ kind, id });
  };
  add('ghost', ghost_id);
  add('session', session_id);
  add('shell', shell_id);
  for (const { kind, id } of entities) add(kind, id);
  for (const text of [ghost_id, session_id, resource]) {
    if (!text?.includes(':')) continue;
    const [, kind, id] = WRITTEN.exec(text) ?? [];
    if (kind !== undefined && id !== undefined) add(kind, id);
  }
  return found;
}

/** One at a time, so that a batch of thousands never stands in memory as rows. */
export function* entityRows(events: readonly AuditEvent[]): Generator<EntityRow, void, void> {
  for (const event of events)
    for (const { kind, id } of entitiesOf(event))
      yield {
        tenant_id: event.tenant_id,
        kind,
        id: filedId(id),
        timestamp: event.timestamp,
        event_id: event.id,
      };
}

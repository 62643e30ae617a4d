import { filedId } from '#audit';
import { type AuditFilters } from '#contracts';
import { cursorTime, type AuditCursor } from './audit-cursor.js';

export interface Statement {
  sql: string;
  values: unknown[];
}

/** Microseconds since the epoch: what a JavaScript Date would cut off is kept. */
const MICROSECONDS = `(extract(epoch FROM a.timestamp) * 1000000)::bigint`;

export const EVENT_COLUMNS = `
  a.id, a.tenant_id, a.service, a.ghost_id, a.shell_id, a.action, a.resource, a.result, a.reason, a.request_id, a.session_id, a.entities,
  a.metadata, a.producer, a.sequence,
  to_char(a.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp, ${MICROSECONDS}::text AS cursor_time`;

const EQUAL = [
  'ghost_id',
  'action',
  'resource',
  'result',
  'service',
  'session_id',
  'request_id',
  'shell_id',
] as const satisfies (keyof AuditFilters)[];
/** Those that event_entities has, the most telling first. */
const FILED = { session: 'session_id', ghost: 'ghost_id', shell: 'shell_id' } as const;
const MAX_INDEXED_RESOURCE_BYTES = 1000;
const MAX_INTEGER = 2_147_483_647;

/**
 * One tenant's events that match all filters, newest first. It begins where fewest rows have to be looked at: with the text's function, with
 * event_entities, or with an index of audit_log; whatever it begins with, the event itself must match. The tenant is the reader's, by
 * row-level security; it is named here too, for the planner.
 *
 * @param limit undefined for all
 */
export function eventsStatement(
  filters: AuditFilters,
  tenant: string,
  { cursor, limit }: { cursor?: AuditCursor | undefined; limit?: number | undefined } = {},
): Statement {
  const values: unknown[] = [];
  const p = (value: unknown): string => `$${values.push(value)}`;
  const where = [`a.tenant_id = ${p(tenant)}`];
  for (const column of EQUAL) if (filters[column] !== undefined) where.push(`a.${column} = ${p(filters[column])}`);
  // Says what the index on resources says, or it could not be used.
  if (filters.resource !== undefined && Buffer.byteLength(filters.resource) <= MAX_INDEXED_RESOURCE_BYTES)
    where.push('octet_length(a.resource) <= 1000');
  const entity = entityOf(filters);
  if (entity)
    where.push(
      `audit_is_about(${p(entity.kind)}, ${p(entity.id)}, a.ghost_id, a.session_id, a.shell_id, a.resource, a.entities)`,
    );
  const time = timeConditions(filters, cursor, p);
  where.push(...time('a.timestamp', 'a.id'));

  let from = 'audit_log a';
  const filed = filedUnder(filters, entity);
  if (filters.q !== undefined) {
    const rest = { ...pick(filters), ...(entity && { entity }) };
    const before = cursor ? [p(cursorTime(cursor)), p(cursor.id)] : ['NULL', 'NULL'];
    // OFFSET keeps the planner from walking the trail in the page's order and asking of each event whether it was found.
    from = `audit_text_search(${p(filters.q)}, ${p(JSON.stringify(rest))}::jsonb, ${before.join(', ')}, ${p(limit ?? MAX_INTEGER)}) f
      CROSS JOIN LATERAL (SELECT * FROM audit_log WHERE id = f.event_id AND timestamp = f.event_time OFFSET 0) a`;
  } else if (filed) {
    from = 'event_entities e JOIN audit_log a ON a.id = e.event_id AND a.timestamp = e.timestamp';
    where.push(`e.tenant_id = ${p(tenant)}`, `e.kind = ${p(filed.kind)}`, `e.id = ${p(filed.id)}`);
    where.push(...time('e.timestamp', 'e.event_id'));
  }
  const order = filters.q === undefined && filed ? 'e.timestamp DESC, e.event_id DESC' : 'a.timestamp DESC, a.id DESC';
  const sql = `SELECT ${EVENT_COLUMNS} FROM ${from} WHERE ${where.join(' AND ')} ORDER BY ${order}${
    limit === undefined ? '' : ` LIMIT ${p(limit)}`
  }`;
  return { sql, values };
}

/** The second condition of a cursor says what the first implies, in a form that keeps months out of the plan. */
function timeConditions(
  { from, to }: AuditFilters,
  cursor: AuditCursor | undefined,
  p: (value: unknown) => string,
): (time: string, id: string) => string[] {
  const earliest = from === undefined ? undefined : p(from);
  const latest = to === undefined ? undefined : p(to);
  const at = cursor && p(cursorTime(cursor));
  const id = cursor && p(cursor.id);
  return (time, idColumn) => [
    ...(earliest ? [`${time} >= ${earliest}::timestamptz`] : []),
    ...(latest ? [`${time} < ${latest}::timestamptz`] : []),
    ...(at ? [`(${time}, ${idColumn}) < (${at}::timestamptz, ${id}::uuid)`, `${time} <= ${at}::timestamptz`] : []),
  ];
}

function entityOf({ entity }: AuditFilters): { kind: string; id: string } | undefined {
  if (entity === undefined) return undefined;
  const [kind = '', ...id] = entity.split(':');
  return { kind, id: filedId(id.join(':')) };
}

/** By which entity to look, if by any: a request or a resource of its own is nearly always fewer rows. */
function filedUnder(
  filters: AuditFilters,
  entity: { kind: string; id: string } | undefined,
): { kind: string; id: string } | undefined {
  if (filters.request_id !== undefined) return undefined;
  if (filters.session_id === undefined && entity) return entity;
  for (const [kind, column] of Object.entries(FILED)) {
    const value = filters[column];
    if (value !== undefined) return { kind, id: filedId(value) };
  }
  return undefined;
}

/** What the text's function filters by. */
function pick(filters: AuditFilters): Record<string, string> {
  const names = [...EQUAL, 'from', 'to'] as const;
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = filters[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

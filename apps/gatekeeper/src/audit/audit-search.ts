import { Injectable } from '@nestjs/common';
import { type AuditEvent, type AuditPage, type AuditQuery } from '#contracts';
import { ServiceError } from '#errors';
import { decodeCursor, encodeCursor } from './audit-cursor.js';
import { TrailReader } from './trail-reader.js';

/** Microseconds since the epoch: what a JavaScript Date would cut off is kept. */
const MICROSECONDS = `(extract(epoch FROM timestamp) * 1000000)::bigint`;

const SELECT = `
  SELECT id, tenant_id, service, ghost_id, shell_id, action, resource, result, reason, request_id, session_id, entities, metadata,
         producer, sequence,
         to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp, ${MICROSECONDS}::text AS cursor_time
  FROM audit_log`;

/** A bigint comes back as text. */
type Row = Omit<AuditEvent, 'sequence'> & { sequence: string | null; cursor_time: string };

/** Searches one tenant's part of the trail. */
@Injectable()
export class AuditSearch {
  constructor(private readonly trail: TrailReader) {}

  /** Newest first, by (timestamp, id). */
  async find(query: AuditQuery, tenant: string): Promise<AuditPage> {
    const { where, values } = conditions(query);
    // One more than asked for tells whether there is a next page.
    const rows = await this.trail.within(tenant, (run) =>
      run<Row>(`${SELECT} ${where} ORDER BY timestamp DESC, id DESC LIMIT $${values.length + 1}`, [
        ...values,
        query.limit + 1,
      ]),
    );
    const page = rows.slice(0, query.limit);
    const last = page.at(-1);
    const more = rows.length > page.length && last !== undefined;
    return {
      events: page.map(toEvent),
      next_cursor: more ? encodeCursor({ timestamp: last.cursor_time, id: last.id }) : null,
    };
  }

  /** @throws ServiceError not_found */
  async get(id: string, tenant: string): Promise<AuditEvent> {
    const [row] = await this.trail.within(tenant, (run) => run<Row>(`${SELECT} WHERE id = $1`, [id]));
    if (!row) throw new ServiceError('not_found', 'event_not_found', `There is no audit event ${id}`);
    return toEvent(row);
  }
}

function conditions(query: AuditQuery): { where: string; values: unknown[] } {
  const values: unknown[] = [];
  const clauses: string[] = [];
  const add = (clause: (parameter: string) => string, value: unknown) => clauses.push(clause(`$${values.push(value)}`));

  for (const column of ['ghost_id', 'action', 'resource', 'result', 'service'] as const)
    if (query[column] !== undefined) add((p) => `${column} = ${p}`, query[column]);
  if (query.from !== undefined) add((p) => `timestamp >= ${p}::timestamptz`, query.from);
  if (query.to !== undefined) add((p) => `timestamp < ${p}::timestamptz`, query.to);
  if (query.entity !== undefined) {
    const [kind, ...id] = query.entity.split(':');
    add((p) => `entities @> ${p}::jsonb`, JSON.stringify([{ kind, id: id.join(':') }]));
  }
  if (query.cursor !== undefined) {
    const cursor = decodeCursor(query.cursor);
    const time = `$${values.push(cursor.timestamp)}`;
    // An interval of microseconds is exact, where to_timestamp(double precision) is not.
    add(
      (p) => `(timestamp, id) < ('epoch'::timestamptz + ${time}::bigint * interval '1 microsecond', ${p}::uuid)`,
      cursor.id,
    );
  }
  return { where: clauses.length > 0 ? `WHERE ${clauses.join(' AND ')}` : '', values };
}

/** Milliseconds are enough to write where there is nothing below them. */
function toEvent({ cursor_time: _, sequence, ...row }: Row): AuditEvent {
  return {
    ...row,
    timestamp: row.timestamp.replace(/000Z$/, 'Z'),
    sequence: sequence === null ? null : Number(sequence),
  };
}

import { Injectable } from '@nestjs/common';
import { type AuditEvent, type AuditPage, type AuditQuery } from '#contracts';
import { ServiceError } from '#errors';
import { decodeCursor, encodeCursor } from './audit-cursor.js';
import { EVENT_COLUMNS, eventsStatement } from './audit-statement.js';
import { toEvent, type EventRow } from './event-row.js';
import { TrailReader } from './trail-reader.js';

const DAY_MS = 86_400_000;

/** Searches one tenant's part of the trail. */
@Injectable()
export class AuditSearch {
  constructor(private readonly trail: TrailReader) {}

  /** Newest first, by (timestamp, id). */
  async find({ limit, cursor, ...filters }: AuditQuery, tenant: string): Promise<AuditPage> {
    // One more than asked for tells whether there is a next page.
    const { sql, values } = eventsStatement(filters, tenant, {
      cursor: cursor === undefined ? undefined : decodeCursor(cursor),
      limit: limit + 1,
    });
    const rows = await this.trail.within(tenant, (run) => run<EventRow>(sql, values));
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const more = rows.length > page.length && last !== undefined;
    return {
      events: page.map(toEvent),
      next_cursor: more ? encodeCursor({ timestamp: last.cursor_time, id: last.id }) : null,
    };
  }

  /** @throws ServiceError not_found */
  async get(id: string, tenant: string): Promise<AuditEvent> {
    const made = timeOfId(id);
    const near = made === undefined ? undefined : await this.read(id, tenant, made);
    const row = near ?? (await this.read(id, tenant));
    if (!row) throw new ServiceError('not_found', 'event_not_found', `There is no audit event ${id}`);
    return toEvent(row);
  }

  private async read(id: string, tenant: string, made?: number): Promise<EventRow | undefined> {
    const day = (offset: number): string => new Date(made! + offset * DAY_MS).toISOString();
    const around = made === undefined ? '' : 'AND a.timestamp BETWEEN $2::timestamptz AND $3::timestamptz';
    const values = made === undefined ? [id] : [id, day(-1), day(1)];
    const [row] = await this.trail.within(tenant, (run) =>
      run<EventRow>(`SELECT ${EVENT_COLUMNS} FROM audit_log a WHERE a.id = $1 ${around}`, values),
    );
    return row;
  }
}

/** When a UUID of version 7 was made, which tells the event's month; undefined of any other. Source: RFC 9562, 5.7. */
function timeOfId(id: string): number | undefined {
  return id[14] === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

import { Injectable } from '@nestjs/common';
import { AUDIT_RESULTS, type AuditResult, type AuditTimeline, type AuditTimelineQuery } from '#contracts';
import { ServiceError } from '#errors';
import { TrailReader } from './trail-reader.js';

const HOUR_MS = 3_600_000;
const DEFAULT_MS = 24 * HOUR_MS;
const MAX_MS = 31 * 24 * HOUR_MS;

interface Row {
  hour: string;
  result: AuditResult;
  count: number;
}

/** Counts one tenant's events by hour and result. */
@Injectable()
export class AuditTimelines {
  constructor(private readonly trail: TrailReader) {}

  /** @throws ServiceError invalid when the range is too long or the wrong way round */
  async count({ from, to }: AuditTimelineQuery, tenant: string): Promise<AuditTimeline> {
    const end = to === undefined ? (from === undefined ? Date.now() : Date.parse(from) + DEFAULT_MS) : Date.parse(to);
    const start = from === undefined ? end - DEFAULT_MS : Date.parse(from);
    if (start > end) throw new ServiceError('invalid', 'invalid_request', 'from: is after to');
    if (end - start > MAX_MS)
      throw new ServiceError('invalid', 'invalid_request', 'from: is more than 31 days before to');
    // As it was said, to the microsecond; a Date has less.
    const range = { from: from ?? new Date(start).toISOString(), to: to ?? new Date(end).toISOString() };
    const rows = await this.trail.within(tenant, (run) =>
      run<Row>(
        `SELECT to_char(date_trunc('hour', timestamp, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS hour, result, count(*)::int AS count
         FROM audit_log WHERE tenant_id = $1 AND timestamp >= $2::timestamptz AND timestamp < $3::timestamptz GROUP BY 1, 2 ORDER BY 1`,
        [tenant, range.from, range.to],
      ),
    );
    return { ...range, hours: byHour(rows) };
  }
}

function byHour(rows: readonly Row[]): AuditTimeline['hours'] {
  const none = Object.fromEntries(AUDIT_RESULTS.map((result) => [result, 0])) as Record<AuditResult, number>;
  const hours: AuditTimeline['hours'] = [];
  for (const { hour, result, count } of rows) {
    let last = hours.at(-1);
    if (last?.hour !== hour) hours.push((last = { hour, total: 0, results: { ...none } }));
    last.results[result] = count;
    last.total += count;
  }
  return hours;
}

import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type UsageSummary, type UsageSummaryQuery } from '#contracts';
import { type Scope } from '../access/read-scope.js';

const KEYS: Record<UsageSummaryQuery['group_by'], string> = {
  ghost: 'ghost_id',
  model: 'model',
  day: `to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD')`,
};

interface Row {
  key: string;
  is_total: boolean;
  calls: number;
  tokens_in: number;
  tokens_out: number;
  cost_usd: number;
  avg_latency_ms: number;
}

@Injectable()
export class SummaryQuery {
  constructor(private readonly database: DataSource) {}

  /** Groups and total of one moment: grouping sets read the table once. Added up as numeric, so that cents do not drift. */
  async read(query: UsageSummaryQuery, { tenantId, ghostId }: Scope): Promise<UsageSummary> {
    const [from, to] = [toTime(query.from), toTime(query.to)];
    const rows = await this.database.query<Row[]>(
      `SELECT key, grouping(key) = 1 AS is_total, count(*)::float8 AS calls,
              COALESCE(sum(tokens_in), 0)::float8 AS tokens_in, COALESCE(sum(tokens_out), 0)::float8 AS tokens_out,
              COALESCE(sum(cost_usd), 0)::float8 AS cost_usd, COALESCE(avg(latency_ms), 0) AS avg_latency_ms
       FROM (SELECT ${KEYS[query.group_by]} AS key, tokens_in, tokens_out, cost_usd, latency_ms FROM usage_stats
             WHERE ($1::timestamptz IS NULL OR timestamp >= $1) AND ($2::timestamptz IS NULL OR timestamp < $2)
               AND ($3::text IS NULL OR tenant_id = $3) AND ($4::text IS NULL OR ghost_id = $4)) AS usage
       GROUP BY GROUPING SETS ((key), ())
       ORDER BY ${query.group_by === 'day' ? 'key' : 'cost_usd DESC, calls DESC, key'}`,
      [from, to, tenantId, ghostId],
    );
    const total = rows.find((row) => row.is_total);
    return {
      group_by: query.group_by,
      from,
      to,
      groups: rows
        .filter((row) => !row.is_total)
        .map(({ key, avg_latency_ms, ...row }) => ({ key, ...countsOf(row), avg_latency_ms })),
      total: countsOf(total ?? { calls: 0, tokens_in: 0, tokens_out: 0, cost_usd: 0 }),
    };
  }
}

function countsOf({ calls, tokens_in, tokens_out, cost_usd }: UsageSummary['total']): UsageSummary['total'] {
  return { calls, tokens_in, tokens_out, cost_usd };
}

/** A date means its midnight in UTC. */
function toTime(text: string | undefined): string | null {
  return text === undefined ? null : new Date(text).toISOString();
}

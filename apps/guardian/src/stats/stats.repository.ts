import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type StatsQuery, type StatsResponse } from '#contracts';

interface Row {
  agent: string;
  active_sessions: number;
  completed_total: number;
  avg_duration: number;
  certification_expires: Date | null;
  total_agents: number;
}

/**
 * Whoever has a certificate, a session or both; the expiry is that of the certificate that counts, if it is not revoked. A session that
 * was abandoned counts nowhere.
 */
const STATS = `
  WITH sessions AS (
    SELECT agent,
           count(*) FILTER (WHERE ended_at IS NULL)::int AS active_sessions,
           count(*) FILTER (WHERE outcome <> 'abandoned')::int AS completed_total,
           avg(extract(epoch FROM ended_at - started_at)) FILTER (WHERE outcome <> 'abandoned')::float8 AS avg_duration
    FROM agent_sessions WHERE $1::text IS NULL OR agent = $1 GROUP BY agent
  ), certified AS (
    SELECT DISTINCT ON (agent) agent,
           CASE WHEN c.revoked_at IS NULL AND k.revoked_at IS NULL THEN expires_at END AS certification_expires
    FROM certificates c LEFT JOIN signing_keys k USING (key_id) WHERE $1::text IS NULL OR agent = $1
    ORDER BY agent, LEAST(c.issued_at, c.revoked_at) DESC, serial DESC
  )
  SELECT agent,
         coalesce(active_sessions, 0) AS active_sessions,
         coalesce(completed_total, 0) AS completed_total,
         coalesce(avg_duration, 0) AS avg_duration,
         certification_expires,
         (count(*) OVER ())::int AS total_agents
  FROM sessions FULL JOIN certified USING (agent)
  ORDER BY agent LIMIT $2`;

@Injectable()
export class StatsRepository {
  constructor(private readonly database: DataSource) {}

  async read({ agent, limit }: StatsQuery): Promise<StatsResponse> {
    const rows = await this.database.query<Row[]>(STATS, [agent ?? null, limit]);
    const stats = rows.map(({ agent: of, total_agents: _, certification_expires: expires, ...figures }) => [
      of,
      { ...figures, certification_expires: expires?.toISOString() ?? null },
    ]);
    return { stats: Object.fromEntries(stats) as StatsResponse['stats'], total_agents: rows[0]?.total_agents ?? 0 };
  }
}

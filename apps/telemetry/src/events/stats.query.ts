import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type TelemetryStats, type TelemetryStatsQuery } from '#contracts';
import { type Scope } from '../access/read-scope.js';
import { hoursAgo } from './events.repository.js';

/** Above this a number is no count of tokens. */
const MAX_TOKENS = '1000000000000';

/**
 * A number in the metadata, or null. Metadata is free-form: what is not a number there must not fail the query, so the cast stands
 * behind its check in a CASE, which PostgreSQL evaluates in order.
 */
const number = (key: string) =>
  `CASE WHEN jsonb_typeof(metadata -> '${key}') = 'number' AND (metadata ->> '${key}')::numeric BETWEEN 0 AND ${MAX_TOKENS}
   THEN (metadata ->> '${key}')::numeric END`;

const TOKENS = `COALESCE(
  ${number('tokens')}, ${number('total_tokens')},
  COALESCE(${number('tokens_in')}, 0) + COALESCE(${number('tokens_out')}, 0))`;

const SELECT = `
  SELECT count(value)::float8 AS measurements, avg(value) AS average, max(value) AS best, min(value) AS worst,
         COALESCE(sum(${TOKENS}), 0)::float8 AS tokens
  FROM system_telemetry
  WHERE timestamp >= $1 AND ($2::text IS NULL OR component = $2)
    AND ($3::text IS NULL OR tenant_id = $3) AND ($4::text IS NULL OR ghost_id = $4)`;

interface Row {
  measurements: number;
  average: number | null;
  best: number | null;
  worst: number | null;
  tokens: number;
}

@Injectable()
export class StatsQuery {
  constructor(private readonly database: DataSource) {}

  /** Averages are null where nothing was measured. */
  async read({ component, hours }: TelemetryStatsQuery, { tenantId, ghostId }: Scope): Promise<TelemetryStats> {
    const parameters = [hoursAgo(hours), component ?? null, tenantId, ghostId];
    const [row] = await this.database.query<[Row]>(SELECT, parameters);
    return {
      component: component ?? null,
      measurement_count: row.measurements,
      avg_efficiency_score: row.average,
      best_efficiency: row.best,
      worst_efficiency: row.worst,
      total_tokens: row.tokens,
      time_window_hours: hours,
    };
  }
}

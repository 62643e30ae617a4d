import { monthName, monthsBetween } from './month.js';

export interface MonthsState {
  partitions: number;
  /** Consecutive months after this one; -1 when this one is missing. */
  monthsAhead: number;
  /** `2026-11`; null before the first. */
  oldestMonth: string | null;
  /** Events that wait for a month that the trail does not have. */
  quarantined: number;
}

type Run = (sql: string) => Promise<{ rows: unknown[] }>;

/** Any role of the service that runs statements may ask this. */
export async function readMonths(run: Run, now: Date): Promise<MonthsState> {
  const months = (await run(`SELECT starts FROM audit_months('audit_log')`)).rows as { starts: Date }[];
  const present = new Set(months.map(({ starts }) => monthsBetween(now, starts)));
  let monthsAhead = -1;
  while (present.has(monthsAhead + 1)) monthsAhead++;
  return {
    partitions: months.length,
    monthsAhead,
    oldestMonth: months[0] ? monthName(months[0].starts) : null,
    quarantined: await countQuarantined(run),
  };
}

export async function countQuarantined(run: Run): Promise<number> {
  const { rows } = await run('SELECT coalesce(sum(events), 0)::int AS count FROM quarantined_audit_events()');
  return (rows as { count: number }[])[0]?.count ?? 0;
}

import { type PlanReport } from './report.js';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The report with its keys in snake_case. Sequences' positions are texts, because they may not fit a number. */
export function planReportJson(report: PlanReport): Json {
  return snake(report);
}

function snake(value: unknown): Json {
  if (Array.isArray(value)) return value.map(snake);
  if (value === null || typeof value !== 'object') return value as Json;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(
    entries.map(([key, item]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), snake(item)]),
  );
}

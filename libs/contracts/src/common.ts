import { z } from 'zod';

/** RFC 9562 UUID of any version; those made here are version 7. */
export const uuid = z.uuid();

/**
 * No control character and no lone surrogate. Written without Unicode classes, so that other languages' tools can read it in the
 * OpenAPI documents.
 */
const NAME = /^(?:[ -~\u00a0-\ud7ff\ue000-\uffff]|[\ud800-\udbff][\udc00-\udfff])+$/;

/** A name that people give: a ghost, an agent, a badge, an action. At most 200 characters. */
export const name = z.string().min(1).max(200).regex(NAME, 'must not contain control characters or lone surrogates');

/** Text that PostgreSQL can store: no NUL and no lone surrogate. */
export const text = (max: number, min = 0) =>
  z.string().min(min).max(max).refine(isStorable, 'must not contain NUL or lone surrogates');

/** RFC 3339 time with an offset, of the years 1 to 9999 in UTC. PostgreSQL takes offsets below 16 hours. */
export const timestamp = z.iso
  .datetime({ offset: true })
  .refine(isStorableTime, 'must be of the years 1 to 9999, with an offset below 16 hours');

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** A length of time: seconds as a number, or text such as `30s`, `15m`, `12h` or `90d`. Becomes whole seconds within [min, max]. */
export const duration = (min: number, max: number) =>
  z
    .union(
      [z.number(), z.string().regex(/^\d{1,12}[smhd]?$/)],
      'expected seconds, or text such as 30s, 15m, 12h or 90d',
    )
    .transform((value) => (typeof value === 'number' ? value : secondsOf(value)))
    .pipe(z.number().int().min(min).max(max));

function secondsOf(value: string): number {
  const [unit] = /[smhd]$/.exec(value) ?? ['s'];
  return Number.parseInt(value, 10) * SECONDS[unit as keyof typeof SECONDS];
}

const MAX_METADATA_BYTES = 32 * 1024;
const MAX_METADATA_DEPTH = 16;

/** Free-form JSON object: at most 32 KiB as text, 16 levels deep, and storable as jsonb. */
export const metadata = z.record(z.string(), z.unknown()).check((context) => {
  const problem = metadataProblem(context.value);
  if (problem) context.issues.push({ code: 'custom', message: problem, input: context.value });
});

function metadataProblem(value: Record<string, unknown>): string | undefined {
  if (!isStorableJson(value, MAX_METADATA_DEPTH))
    return `must be JSON at most ${MAX_METADATA_DEPTH} levels deep, without NUL or lone surrogates`;
  if (JSON.stringify(value).length > MAX_METADATA_BYTES)
    return `must be at most ${MAX_METADATA_BYTES} characters as JSON`;
  return undefined;
}

function isStorableJson(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return isStorable(value);
  if (typeof value !== 'object' || value === null) return typeof value !== 'bigint';
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isStorableJson(item, depth - 1));
  return Object.entries(value).every(([key, item]) => isStorable(key) && isStorableJson(item, depth - 1));
}

/** jsonb refuses the first, and the escapes that JSON.stringify writes for the second. */
function isStorable(value: string): boolean {
  return !value.includes('\0') && value.isWellFormed();
}

function isStorableTime(value: string): boolean {
  const year = new Date(value).getUTCFullYear();
  const offsetHours = Number(/[+-](\d\d):\d\d$/.exec(value)?.[1] ?? 0);
  return year >= 1 && year <= 9999 && offsetHours < 16;
}

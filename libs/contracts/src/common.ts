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
  const size = storableSize(value, MAX_METADATA_DEPTH);
  if (size === undefined)
    return `must be JSON at most ${MAX_METADATA_DEPTH} levels deep, without NUL or lone surrogates`;
  if (size > MAX_METADATA_BYTES && JSON.stringify(value).length > MAX_METADATA_BYTES)
    return `must be at most ${MAX_METADATA_BYTES} characters as JSON`;
  return undefined;
}

/** A character is at most `\uXXXX`. */
const MAX_ESCAPE = 6;
/** `-1.2345678901234567e-300` or `false`, and what stands between two values. */
const SCALAR_SIZE = 28;

/** The characters that a value has as JSON at most; undefined when PostgreSQL could not store it, or it is too deep. */
function storableSize(value: unknown, depth: number): number | undefined {
  if (typeof value === 'string') return isStorable(value) ? value.length * MAX_ESCAPE + 4 : undefined;
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? undefined : SCALAR_SIZE;
  if (depth === 0) return undefined;
  let size = SCALAR_SIZE;
  const add = (part: unknown): boolean => {
    const more = storableSize(part, depth - 1);
    size += more ?? 0;
    return more !== undefined;
  };
  if (Array.isArray(value)) return value.every(add) ? size : undefined;
  for (const [key, item] of Object.entries(value)) {
    if (!isStorable(key) || !add(item)) return undefined;
    size += key.length * MAX_ESCAPE + 4;
  }
  return size;
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

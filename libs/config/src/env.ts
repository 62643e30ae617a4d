import { z } from 'zod';

/**
 * Building blocks for settings that arrive as environment variables (strings, or absent).
 * Each gives the typed value; an empty string counts as absent.
 */
export const env = {
  /** TCP port, 1 to 65535. */
  port: (fallback: number) => integer(1, 65_535, fallback),

  /** Whole number within [min, max]. */
  integer: (min: number, max: number, fallback: number) => integer(min, max, fallback),

  /** `true`, `false`, `1` or `0`. */
  boolean: (fallback: boolean) =>
    z
      .enum(['true', 'false', '1', '0'], 'expected true or false')
      .transform((value) => value === 'true' || value === '1')
      .default(fallback),

  /** One of a closed set of words. */
  choice: <const T extends readonly [string, ...string[]]>(values: T, fallback: T[number]) =>
    z.enum(values, `expected one of ${values.join(', ')}`).default(fallback as never),

  /** Absolute http or https URL, without a trailing slash. */
  httpUrl: () =>
    z
      .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
      .transform((value) => value.replace(/\/+$/, '')),

  /** `postgres://user:password@host:port/database` */
  postgresUrl: () =>
    z.url({ protocol: /^postgres(ql)?$/, error: 'expected a URL like postgres://user:password@host:5432/database' }),

  /** A name in the database that needs no quoting. */
  identifier: (fallback: string) =>
    z
      .string()
      .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'expected a name of small letters, digits and underscores')
      .default(fallback),

  /** A secret; its value never appears in an error. */
  secret: (minLength: number) => z.string().min(minLength, `expected at least ${minLength} characters`),

  /** Any text. */
  text: () => z.string(),
};

function integer(min: number, max: number, fallback: number) {
  const message = `expected a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^-?\d+$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message)
    .default(fallback);
}

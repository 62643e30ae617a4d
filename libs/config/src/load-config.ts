import { type z } from 'zod';
import { ConfigError } from './config-error.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export type SettingsResult<T> = { data: T; problems: [] } | { data: undefined; problems: string[] };

/**
 * Reads settings from an environment against a schema, once, and freezes them.
 *
 * @param reader names who reads, in the error
 * @throws ConfigError naming every setting that is missing or not valid; values are not repeated, they may be secrets
 */
export function loadConfig<S extends z.ZodObject>(reader: string, schema: S, environment: Environment): z.output<S> {
  const { data, problems } = readSettings(schema, environment);
  if (data === undefined) throw new ConfigError(reader, problems);
  return data;
}

/**
 * The same, collecting problems instead of throwing, so that several groups of settings can be reported together.
 *
 * @param variableOf the environment variable behind a schema key, where the two differ
 */
export function readSettings<S extends z.ZodObject>(
  schema: S,
  environment: Environment,
  variableOf: (key: string) => string = (key) => key,
): SettingsResult<z.output<S>> {
  // An empty variable counts as absent: compose files and shells pass on unset variables that way.
  const given = Object.fromEntries(
    Object.keys(schema.shape).map((key) => [key, environment[variableOf(key)] || undefined]),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return { data: deepFreeze(parsed.data), problems: [] };
  const problems = parsed.error.issues.map((issue) => {
    const variable = variableOf(issue.path.join('.'));
    const missing = issue.code === 'invalid_type' && !environment[variable];
    return `${variable}: ${missing ? 'is required' : issue.message}`;
  });
  return { data: undefined, problems };
}

/** Freezes an object and all that it holds. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}

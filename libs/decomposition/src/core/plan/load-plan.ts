import { parseDocument } from 'yaml';
import { z } from 'zod';
import { SplitError } from '../errors.js';
import { planSchema, type Plan } from './plan.js';

export const MAX_PLAN_BYTES = 1024 * 1024;
const VARIABLE = /\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}/g;

/**
 * Reads a plan: YAML, in which `${NAME}` stands for an environment variable, and `${NAME:-text}` for it or, where it is not set, the
 * text. Variables are put into values only, never into the structure.
 *
 * @throws SplitError `invalid_plan` naming all that is wrong, with its place
 */
export function parsePlan(text: string, environment: Readonly<Record<string, string | undefined>>): Plan {
  if (Buffer.byteLength(text) > MAX_PLAN_BYTES) throw invalid([`it is longer than ${MAX_PLAN_BYTES} bytes`]);
  const missing = new Set<string>();
  const filled = fill(readYaml(text), environment, missing);
  if (missing.size > 0) throw invalid([...missing].map((name) => `\${${name}} is not set in the environment`));
  const parsed = planSchema.safeParse(filled);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error).split('\n'));
  const { services, ...rest } = parsed.data;
  return { ...rest, services: Object.entries(services).map(([name, service]) => ({ name, ...service })) };
}

function readYaml(text: string): unknown {
  let problems: string[];
  try {
    const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true });
    // The lines after the first show a piece of the file, which may hold a password.
    problems = document.errors.map(({ message }) => message.split('\n')[0]!.replace(/:$/, ''));
    if (problems.length === 0) return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    // Too deep, or aliases without end.
    problems = [(error as Error).message];
  }
  throw invalid(problems);
}

function fill(
  value: unknown,
  environment: Readonly<Record<string, string | undefined>>,
  missing: Set<string>,
): unknown {
  if (typeof value === 'string')
    return value.replace(VARIABLE, (_, name: string, fallback: string | undefined) => {
      const found = environment[name] || fallback;
      if (found === undefined) missing.add(name);
      return found ?? '';
    });
  if (Array.isArray(value)) return value.map((item) => fill(item, environment, missing));
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, environment, missing)]));
  return value;
}

function invalid(problems: readonly string[]): SplitError {
  return new SplitError('invalid_plan', `The plan is not valid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
}

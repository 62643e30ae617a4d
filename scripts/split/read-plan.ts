import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '#errors';
import { MAX_PLAN_BYTES, parsePlan, SplitError, type Plan, type ServicePlan } from '#decomposition';
import { type Env } from '../stack/apps.js';

/** Plans that come with the project, by name. */
const SHIPPED = ['gravitas', 'acgs-1'];
const FOLDER = join('libs', 'decomposition', 'plans');

/** @param given a file, or the name of a plan that comes with the project. @throws SplitError `invalid_plan` */
export async function readPlan(given: string, env: Env): Promise<Plan> {
  const path = SHIPPED.includes(given) ? join(FOLDER, `${given}.yaml`) : given;
  const text = await textOf(path).catch((error: unknown) => {
    const next = `Give a file, or one of the plans that come with this: ${SHIPPED.join(', ')}.`;
    throw new SplitError('invalid_plan', `The plan cannot be read: ${errorMessage(error)}`, next);
  });
  return parsePlan(text, env);
}

async function textOf(path: string): Promise<string> {
  if ((await stat(path)).size > MAX_PLAN_BYTES) throw new Error(`${path} is longer than ${MAX_PLAN_BYTES} bytes`);
  return readFile(path, 'utf8');
}

/**
 * Those that are asked for, in the order of the plan.
 *
 * @param names none: all, if `all` says so, or there is only one
 * @throws SplitError `invalid_plan` naming those that the plan does not have, or when none was asked for
 */
export function chosenServices(plan: Plan, names: readonly string[], all: boolean): readonly ServicePlan[] {
  const known = plan.services.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new SplitError(
      'invalid_plan',
      `The plan has no service ${unknown.map((name) => `"${name}"`).join(', ')}.`,
      `It has: ${known.join(', ')}.`,
    );
  if (names.length > 0) return plan.services.filter(({ name }) => names.includes(name));
  if (all || known.length === 1) return plan.services;
  throw new SplitError('invalid_plan', 'No service is named.', `Give --service NAME (${known.join(', ')}), or --all.`);
}

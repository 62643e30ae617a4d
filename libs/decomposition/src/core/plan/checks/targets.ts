import { type ServicePlan } from '../plan.js';
import { type DatabaseFacts } from '../read/database-facts.js';
import { type Survey } from '../survey.js';
import { type Check, listed } from './check.js';

type Found = Parameters<Check>[1];

/** Each service gets a database of its own, which can hold what the source holds. */
export const checkTargets: Check = (survey, found) => {
  checkApart(survey, found);
  checkRoles(survey, found);
  for (const { name } of survey.services) {
    const { facts, problem, state, filled } = survey.targets.get(name)!;
    if (!facts) {
      found.warn({
        code: 'target_unreachable',
        service: name,
        place: `target of ${name}`,
        message: `The server of ${name}'s target does not answer: ${problem}. What it offers is not checked.`,
        next: 'See that it runs and lets the administrator in, and run `plan` again before `create`.',
      });
      continue;
    }
    if (!state && filled.length > 0)
      found.warn({
        code: 'target_not_empty',
        service: name,
        place: `target of ${name}`,
        message: `The target of ${name} holds rows in ${listed(filled)} already, and no move of this tool brought them.`,
        next: 'Name another database, or empty those tables.',
      });
    checkText(survey.sourceFacts, name, facts, found);
  }
};

function checkApart(survey: Survey, found: Found): void {
  const seen = new Map([[identity(survey.plan.source, survey.sourceFacts), 'the source']]);
  for (const { name, target } of survey.plan.services) {
    const key = identity(target, survey.targets.get(name)?.facts ?? null);
    const other = seen.get(key);
    if (other !== undefined)
      found.problem({
        code: 'same_database',
        service: name,
        place: `target of ${name}`,
        message: `The target of ${name} is the same database as ${other}.`,
        next: 'Give it one of its own: another database name in its URL is enough.',
      });
    else seen.set(key, `the target of ${name}`);
  }
}

/** By the cluster where that is known: one server answers to many names. */
function identity(url: string, facts: DatabaseFacts | null): string {
  const { hostname, port, pathname } = new URL(url);
  const database = decodeURIComponent(pathname.slice(1));
  return JSON.stringify([facts?.cluster ?? `${hostname}:${port || '5432'}`, database]);
}

function checkRoles(survey: Survey, found: Found): void {
  const holders = new Map<string, string>();
  for (const service of survey.plan.services) {
    const server = survey.targets.get(service.name)?.facts?.cluster ?? new URL(service.target).host;
    for (const role of new Set(rolesOf(service))) {
      const key = `${server} ${role}`;
      const other = holders.get(key);
      if (other === undefined) holders.set(key, service.name);
      else
        found.problem({
          code: 'shared_role',
          service: service.name,
          place: role,
          message: `${other} and ${service.name} have the same role ${role} on the same server: each could read the other's tables.`,
          next: 'Give each service roles of its own.',
        });
    }
  }
}

function rolesOf({ owner, runtime, further }: ServicePlan): string[] {
  return [owner, runtime, ...further].map(({ name }) => name);
}

function checkText(source: DatabaseFacts, service: string, target: DatabaseFacts, found: Found): void {
  if (source.encoding === '' || target.encoding === '') return;
  const place = `target of ${service}`;
  if (source.encoding !== target.encoding)
    found.problem({
      code: 'encoding',
      service,
      place,
      message: `The source is in ${source.encoding}, the target of ${service} ${target.exists ? 'is' : 'would be'} in ${target.encoding}.`,
      next: `Make the database yourself: CREATE DATABASE ... ENCODING '${source.encoding}' TEMPLATE template0.`,
    });
  if (source.collation !== target.collation)
    found.warn({
      code: 'collation',
      service,
      place,
      message: `Text sorts by ${source.collation} in the source, by ${target.collation} in the target of ${service}: ORDER BY and comparisons may answer otherwise.`,
      next: 'Make the database yourself with the locale of the source, if that matters.',
    });
}

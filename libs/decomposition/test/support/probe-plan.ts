import { randomBytes } from 'node:crypto';
import { stringify } from 'yaml';
import { connectionUrl } from '#database';
import { checkPlan } from '../../src/core/plan/check-plan.js';
import { parsePlan } from '../../src/core/plan/load-plan.js';
import { type Plan } from '../../src/core/plan/plan.js';
import { type Finding, type PlanReport } from '../../src/core/plan/report.js';
import { plainDatabase } from './test-database.js';

/** As in the file; what is missing is filled in: a target that is to be made on the source's server, and roles. */
export type ProbedService = { tables: string[]; target?: string } & Record<string, unknown>;

export interface Probed {
  source: string;
  services: Record<string, ProbedService>;
  stay?: string[];
}

export function probePlan({ source, services, stay = [] }: Probed): Plan {
  const tag = randomBytes(4).toString('hex');
  const login = (name: string): object => ({ name: `${name}_${tag}`, password_env: 'UNUSED' });
  const full = Object.entries(services).map(([name, service]) => [
    name,
    {
      target: connectionUrl(source, { database: `split_${name}_${tag}` }),
      ...{ owner: login(`${name}_owner`), runtime: login(name) },
      ...service,
    },
  ]);
  return parsePlan(stringify({ name: 'probe', source, stay, services: Object.fromEntries(full) as object }), {});
}

/** What `checkPlan` says of a database that is made for it, and dropped again. */
export async function probe(ddl: string, parts: Omit<Probed, 'source'>): Promise<PlanReport> {
  const database = await plainDatabase();
  try {
    await database.run(ddl);
    return await checkPlan(probePlan({ source: database.url, ...parts }));
  } finally {
    await database.drop();
  }
}

/** `code place`, sorted. */
export function codes(findings: readonly Finding[]): string[] {
  return findings.map(({ code, place }) => `${code} ${place}`).sort();
}

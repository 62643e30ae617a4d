import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { connectionUrl } from '#database';
import { testPostgresUrl } from '#testing';
import { createAcgs, fillAcgs } from '../../samples/acgs-1/index.js';
import { parsePlan } from '../../src/core/plan/load-plan.js';
import { type Plan } from '../../src/core/plan/plan.js';
import { dropDatabase, dropSubscriptions } from './drop-database.js';
import { plainDatabase, type PlainDatabase } from './test-database.js';

export interface AcgsSample {
  source: PlainDatabase;
  /** The plan that ships, with targets on the test's server and roles of this sample's own; nothing of them is made. */
  plan: Plan;
  /** The source, the targets and the roles, whichever are there. */
  drop: () => Promise<void>;
}

/** @param rows of each table; 0 leaves it empty */
export async function acgsSample(rows: number): Promise<AcgsSample> {
  const source = await plainDatabase();
  await createAcgs(source.url);
  if (rows > 0) await source.with((client) => fillAcgs(client, { rows }));
  const plan = await acgsPlan(source.url);
  const drop = async (): Promise<void> => {
    const server = await plainDatabase();
    const names = [source.url, ...plan.services.map(({ target }) => target)].map((url) =>
      new URL(url).pathname.slice(1),
    );
    const { rows } = await server.run('SELECT datname AS name FROM pg_database WHERE datname = ANY ($1)', [names]);
    for (const { name } of rows as { name: string }[]) {
      const pool = new pg.Pool({ connectionString: connectionUrl(testPostgresUrl(), { database: name }) });
      await dropSubscriptions(pool).finally(() => pool.end());
    }
    for (const name of names) await dropDatabase(testPostgresUrl(), name);
    for (const { owner, runtime, further } of plan.services)
      for (const { name } of [owner, runtime, ...further]) await server.run(`DROP ROLE IF EXISTS ${name}`);
    await server.drop();
  };
  return { source, plan, drop };
}

async function acgsPlan(source: string): Promise<Plan> {
  const text = await readFile('libs/decomposition/plans/acgs-1.yaml', 'utf8');
  const tag = randomBytes(4).toString('hex');
  const names = [...text.matchAll(/\$\{ACGS_(\w+)_URL\}/g)].map(([, name]) => name!);
  const environment = Object.fromEntries(
    names.map((name) => [
      `ACGS_${name}_URL`,
      connectionUrl(testPostgresUrl(), { database: `acgs_${name.toLowerCase()}_${tag}` }),
    ]),
  );
  const plan = parsePlan(text, { ...environment, ACGS_SOURCE_URL: source });
  const own = <L extends { name: string }>(login: L): L => ({ ...login, name: `${login.name}_${tag}` });
  const services = plan.services.map((service) => ({
    ...service,
    owner: own(service.owner),
    runtime: own(service.runtime),
  }));
  return { ...plan, services };
}

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { connectionUrl } from '#database';
import { testPostgresUrl } from '#testing';
import { verbs } from '../../src/core/library.js';
import { openMove, type Move, type OpenMoveOptions } from '../../src/core/move.js';
import { planSchema, type Plan } from '../../src/core/plan/plan.js';
import { dropDatabase, dropSubscriptions, once } from './drop-database.js';

export interface RealMoveOptions {
  /** Makes and fills the source's tables. */
  source: string;
  tables: readonly string[];
  /** Further settings of `thing`, the service that moves. */
  service?: object;
  /** Other services of the plan, with their tables. */
  others?: Readonly<Record<string, readonly string[]>>;
  /** Of the plan. */
  settings?: object;
  /** Another server than that of the test run, or another administrator. */
  server?: string;
}

/** A source, and a plan to leave it; everything else is up to the verbs. */
export interface RealMove {
  plan: Plan;
  /** Of `thing`. */
  move: Move;
  urls: { source: string; target: string };
  source: pg.Pool;
  /** Once it is created. */
  target: pg.Pool;
  /** Another run of the tool on the same move. */
  reopen: (options?: OpenMoveOptions) => Move;
  /** By the verbs, up to `in_step`. */
  bringInStep: () => Promise<void>;
  /** Ends everything: subscriptions, slots, databases and roles. */
  drop: () => Promise<void>;
}

export async function realMove(options: RealMoveOptions): Promise<RealMove> {
  const tag = randomBytes(4).toString('hex');
  const server = options.server ?? testPostgresUrl();
  const source = `real_source_${tag}`;
  const urlOf = (database: string): string => connectionUrl(server, { database });
  const login = (name: string): object => ({ name, password_env: 'UNUSED' });
  const service = (name: string, tables: readonly string[], more: object = {}): object => ({
    target: urlOf(`real_${name}_${tag}`),
    owner: login(`${name}_${tag}_owner`),
    runtime: login(`${name}_${tag}`),
    tables,
    ...more,
  });
  const others = Object.entries(options.others ?? {});
  const { services, ...rest } = planSchema.parse({
    name: `real_${tag}`,
    source: urlOf(source),
    ...options.settings,
    services: {
      thing: service('thing', options.tables, options.service),
      ...Object.fromEntries(others.map(([name, tables]) => [name, service(name, tables)])),
    },
  });
  const plan: Plan = { ...rest, services: Object.entries(services).map(([name, one]) => ({ name, ...one })) };
  await once(server, `CREATE DATABASE ${source}`);
  const filling = new pg.Client(plan.source);
  await filling.connect();
  await filling.query(options.source).finally(() => filling.end());
  const opened: Move[] = [];
  const reopen = (open?: OpenMoveOptions): Move => {
    const move = openMove(plan, 'thing', open);
    opened.push(move);
    return move;
  };
  const move = reopen();
  return {
    ...{ plan, move, reopen, source: move.databases.source, target: move.databases.target, urls: { ...move.urls } },
    bringInStep: async () => {
      await verbs.create(move, {
        dryRun: false,
        passwords: () => 'not-used-by-anyone',
        migrate: async () => undefined,
      });
      await verbs.copy(move);
    },
    drop: async () => {
      for (const pool of Object.values(move.databases)) await dropSubscriptions(pool).catch(() => undefined);
      await Promise.all(opened.map((one) => one.close()));
      for (const name of [source, `real_thing_${tag}`]) await dropDatabase(server, name);
      for (const name of ['thing', ...others.map(([other]) => other)])
        for (const role of ['', '_owner']) await once(server, `DROP ROLE IF EXISTS ${name}_${tag}${role}`);
    },
  };
}

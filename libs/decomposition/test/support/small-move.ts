import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { connectionUrl } from '#database';
import { testPostgresUrl } from '#testing';
import { fence } from '../../src/core/fence/fence.js';
import { openMove, type Move, type OpenMoveOptions } from '../../src/core/move.js';
import { planSchema, type Plan } from '../../src/core/plan/plan.js';
import { BEAT_SCHEMA, TARGET_SCHEMA } from '../../src/core/state/schema.js';
import { dropDatabase, dropSubscriptions, once } from './drop-database.js';

export interface SmallMoveOptions {
  /** Made on both sides. */
  ddl: string;
  /** On the source only, afterwards. */
  data?: string;
  tables: readonly string[];
  /** Further settings of the plan's one service, `thing`. */
  service?: object;
  /** Of the plan. */
  settings?: object;
  /** Other servers than that of the test run. */
  servers?: { source?: string; target?: string };
  open?: OpenMoveOptions;
}

/** A source and a target as `create` leaves them: tables on both sides, the target's fenced, phase `created`. */
export interface SmallMove {
  plan: Plan;
  move: Move;
  source: pg.Pool;
  target: pg.Pool;
  /** Another run of the tool on the same move. */
  reopen: (options?: OpenMoveOptions) => Move;
  /** Ends everything, subscriptions and slots too. */
  drop: () => Promise<void>;
}

export async function smallMove(options: SmallMoveOptions): Promise<SmallMove> {
  const tag = randomBytes(4).toString('hex');
  const names = { source: `split_source_${tag}`, target: `split_target_${tag}` };
  const servers = { source: testPostgresUrl(), target: testPostgresUrl(), ...options.servers };
  const urls = {
    source: connectionUrl(servers.source, { database: names.source }),
    target: connectionUrl(servers.target, { database: names.target }),
  };
  await once(servers.source, `CREATE DATABASE ${names.source}`);
  await once(servers.target, `CREATE DATABASE ${names.target}`);
  const login = (name: string): object => ({ name, password_env: 'UNUSED' });
  const { services, ...rest } = planSchema.parse({
    name: `small_${tag}`,
    source: urls.source,
    services: {
      thing: {
        target: urls.target,
        owner: login(`thing_${tag}_owner`),
        runtime: login(`thing_${tag}`),
        tables: options.tables,
        ...options.service,
      },
    },
    ...options.settings,
  });
  const plan: Plan = { ...rest, services: Object.entries(services).map(([name, service]) => ({ name, ...service })) };
  const opened: Move[] = [];
  const reopen = (open?: OpenMoveOptions): Move => {
    const move = openMove(plan, 'thing', open);
    opened.push(move);
    return move;
  };
  const move = reopen(options.open);
  const { source, target } = move.databases;
  for (const pool of [source, target]) await pool.query(options.ddl);
  if (options.data) await source.query(options.data);
  await source.query(BEAT_SCHEMA);
  await target.query(TARGET_SCHEMA + BEAT_SCHEMA);
  await target.query('INSERT INTO decomposition.moves (service, strategy) VALUES ($1, $2)', [
    'thing',
    plan.services[0]!.strategy,
  ]);
  await fence(target, await move.tables('target'), { reason: 'the move has not switched yet', dual: true });
  const drop = async (): Promise<void> => {
    for (const pool of [source, target]) await dropSubscriptions(pool);
    await Promise.all(opened.map((one) => one.close()));
    for (const side of ['source', 'target'] as const) await dropDatabase(servers[side], names[side]);
  };
  return { plan, move, source, target, reopen, drop };
}

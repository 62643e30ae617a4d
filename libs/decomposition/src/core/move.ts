import pg from 'pg';
import { PooledClient } from '#database';
import { readTables } from './catalogue/read-tables.js';
import { fullName, parseTableName, type Table } from './catalogue/table.js';
import { SplitError } from './errors.js';
import { type Plan, type ServicePlan } from './plan/plan.js';
import { SILENT, type Progress } from './progress.js';
import { type Side } from './side.js';
import { MoveStore } from './state/move-store.js';

/** One service's move, as a verb works on it. */
export interface Move {
  readonly plan: Plan;
  readonly service: ServicePlan;
  /** As an administrator. Sessions are in UTC. */
  readonly databases: Readonly<Record<Side, pg.Pool>>;
  readonly urls: Readonly<Record<Side, string>>;
  readonly state: MoveStore;
  readonly progress: Progress;
  /** Aborted when the run is told to stop. */
  readonly signal: AbortSignal;
  /** The moved tables as they are on one side, in the order of the plan. @throws SplitError when one is missing, or has no key */
  tables(side: Side): Promise<Table[]>;
  close(): Promise<void>;
}

export interface OpenMoveOptions {
  progress?: Progress;
  signal?: AbortSignal;
  /** Connections to each side. */
  connections?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** Connects to nothing yet. The target's database need not be there. */
export function openMove(plan: Plan, serviceName: string, options: OpenMoveOptions = {}): Move {
  const service = plan.services.find(({ name }) => name === serviceName);
  if (!service)
    throw new SplitError(
      'invalid_plan',
      `The plan has no service "${serviceName}".`,
      `It has: ${plan.services.map(({ name }) => name).join(', ')}.`,
    );
  const urls = { source: plan.source, target: service.target };
  const pool = (side: Side): pg.Pool => administratorPool(urls[side], options.connections ?? 8);
  const databases = { source: pool('source'), target: pool('target') };
  let closed: Promise<void> | undefined;
  return {
    plan,
    service,
    urls,
    databases,
    state: new MoveStore(databases.target, service.name),
    progress: options.progress ?? SILENT,
    signal: options.signal ?? new AbortController().signal,
    tables: (side) => tablesOf(databases[side], side, service),
    close: () => (closed ??= Promise.all([databases.source.end(), databases.target.end()]).then(() => undefined)),
  };
}

/**
 * Values read as text on both sides must look the same: the sessions' formats are fixed. A policy that would hide rows is an error.
 */
export function administratorPool(url: string, max: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'gravitas-split',
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    Client: PooledClient,
    options:
      '-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c jit=off -c row_security=off',
  });
  // A connection that breaks while idle is reported by the next query.
  pool.on('error', () => undefined);
  return pool;
}

async function tablesOf(database: pg.Pool, side: Side, service: ServicePlan): Promise<Table[]> {
  const tables = await readTables(database, service.tables);
  const missing = service.tables
    .map((text) => fullName(parseTableName(text)))
    .filter((wanted) => !tables.some((table) => fullName(table) === wanted));
  if (missing.length > 0)
    throw new SplitError(
      side === 'source' ? 'invalid_plan' : 'not_created',
      `The ${side} of ${service.name} has no table ${missing.join(', ')}.`,
      side === 'source' ? 'Take it out of the plan, or look whether the URL is right.' : 'Run `create` first.',
    );
  const keyless = tables.filter(({ key }) => key.length === 0);
  if (keyless.length > 0)
    throw new SplitError(
      'invalid_plan',
      `${keyless.map(fullName).join(', ')} ${keyless.length === 1 ? 'has' : 'have'} no primary key.`,
      'Add one: rows that cannot be told apart can neither be followed nor compared.',
    );
  return tables;
}

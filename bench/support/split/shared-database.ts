import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { connectionUrl } from '#database';
import { openMove, openStream, planSchema, verbs, type Move, type Plan, type Side } from '#decomposition';
import { EmbeddedPostgres } from '#embedded-postgres';
import { type BenchContext } from '../../harness/bench.js';
import { makeSample, TABLE } from './sample.js';

const SERVICE = 'messenger';
const NAMES = { source: 'monolith', target: 'gravitas_messenger' } as const;

/** A server with a shared database that holds the sample, and a service that is to leave it for another database of the server. */
export interface SharedDatabase {
  urls: Readonly<Record<Side, string>>;
  plan: Plan;
  source: pg.Pool;
  /** A database in the target's place, with nothing but what this makes. */
  emptyTarget: (ddl: string) => Promise<void>;
  /** The target as `create` makes it. */
  create: () => Promise<Move>;
  /** Ends what a move has begun. */
  forget: (move: Move) => Promise<void>;
  dropTarget: () => Promise<void>;
  /** Writes out what the server has in hand, so that each round starts from the same. */
  checkpoint: () => Promise<void>;
  close: () => Promise<void>;
}

export async function startSharedDatabase({ directory, progress, stop }: BenchContext): Promise<SharedDatabase> {
  progress('starting PostgreSQL');
  const server = new EmbeddedPostgres({
    dataDir: join(directory, 'postgres'),
    password: randomBytes(18).toString('base64url'),
  });
  const { url } = await server.start();
  const urls = {
    source: connectionUrl(url, { database: NAMES.source }),
    target: connectionUrl(url, { database: NAMES.target }),
  };
  const admin = quietPool(url);
  const source = quietPool(urls.source);
  await admin.query(`CREATE DATABASE ${NAMES.source}`);
  await makeSample(source, (rows) => {
    stop.throwIfAborted();
    progress(`made ${rows} rows`);
  });
  const plan = planFor(urls);
  const dropTarget = async (): Promise<void> => {
    await admin.query(`DROP DATABASE IF EXISTS ${NAMES.target} WITH (FORCE)`);
  };
  return {
    urls,
    plan,
    source,
    emptyTarget: async (ddl) => {
      await dropTarget();
      await admin.query(`CREATE DATABASE ${NAMES.target}`);
      const target = new pg.Client({ connectionString: urls.target });
      await target.connect();
      await target.query(ddl);
      await target.end();
    },
    create: async () => {
      const move = openMove(plan, SERVICE, { signal: stop });
      await verbs.create(move, {
        dryRun: false,
        passwords: () => randomBytes(18).toString('base64url'),
        migrate: async () => undefined,
      });
      return move;
    },
    forget: async (move) => {
      await openStream(move, 'source').end();
      await move.close();
      await dropTarget();
    },
    dropTarget,
    checkpoint: async () => void (await admin.query('CHECKPOINT')),
    close: async () => {
      await Promise.all([admin.end(), source.end()]);
      await server.stop();
    },
  };
}

function planFor(urls: Readonly<Record<Side, string>>): Plan {
  const login = (name: string): object => ({ name, password_env: 'UNUSED' });
  const { services, ...rest } = planSchema.parse({
    name: 'bench',
    source: urls.source,
    services: {
      [SERVICE]: {
        target: urls.target,
        owner: login(`${NAMES.target}_owner`),
        runtime: login(NAMES.target),
        tables: [TABLE],
      },
    },
  });
  return { ...rest, services: Object.entries(services).map(([name, service]) => ({ name, ...service })) };
}

/** The server is stopped under it when the run is ended early. */
function quietPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 4 });
  pool.on('error', () => undefined);
  return pool;
}

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { type ServiceName } from '#contracts';
import { connectionUrl, provision, roleUrl, serviceDatabase, type DatabaseSpec } from '#database';
import { openTestDatabase, testPostgresUrl, type TestDatabase } from '#testing';
import { startControlPlane, type ControlPlane } from './control-plane.js';
import { ALL_SERVICES } from './services.js';

export interface Login {
  name: string;
  password: string;
}

/** One service's place in the shared database, and the one of its own that it is to get. */
export interface MonolithService {
  name: ServiceName;
  tables: readonly string[];
  /** The same roles here and there. */
  owner: Login;
  runtime: Login;
  further: readonly (Login & { bypassRls: boolean })[];
  /** Not made yet. As the superuser. */
  targetUrl: string;
}

/** Five services on one database, `chat_history_<tag>`, and where each is to go. */
export interface Monolith {
  database: string;
  /** As the superuser. */
  url: string;
  services: Readonly<Record<ServiceName, MonolithService>>;
  /** Starts the five services of this process; they take part in moves. `close` of what it gives leaves the database. */
  start: (environment?: Record<string, string>) => Promise<ControlPlane>;
  /** The settings that `start` gives the services. */
  environment: Readonly<Record<string, string>>;
  /** Takes away the shared database, the targets that were made, and the roles. Subscriptions and slots must be gone. */
  drop: () => Promise<void>;
}

/**
 * Makes the shared database with all roles, as a monolith has it: every service makes its tables in the same schema.
 *
 * @param elsewhere the servers of the services that are to go to another one, as the superuser
 */
export async function provisionMonolith(elsewhere: Partial<Record<ServiceName, string>> = {}): Promise<Monolith> {
  const server = testPostgresUrl();
  const tag = randomBytes(4).toString('hex');
  const database = `chat_history_${tag}`;
  const url = connectionUrl(server, { database });
  const specs = new Map<ServiceName, DatabaseSpec>();
  for (const { name } of ALL_SERVICES) {
    const own = await serviceDatabase(name, `gravitas_${name}_${tag}`, () => randomBytes(12).toString('hex'));
    specs.set(name, { ...own, database });
  }
  // One after the other: each takes the schema for its own.
  for (const spec of specs.values()) await provision(server, [spec]);
  await shareAmong(
    url,
    database,
    [...specs.values()].map(({ owner }) => owner.name),
  );

  const services = Object.fromEntries(
    ALL_SERVICES.map(({ name, tables }) => [
      name,
      placeOf(name, tables, specs.get(name)!, elsewhere[name] ?? server, tag),
    ]),
  ) as Record<ServiceName, MonolithService>;
  const environment = Object.assign(
    {},
    ...[...specs].map(([name, spec]) => settingsOf(name, spec, services[name])),
  ) as Record<string, string>;
  return {
    database,
    url,
    services,
    environment,
    start: (further = {}) => startControlPlane({ ...environment, ...further }, sharedDatabases(specs)),
    drop: async () => {
      for (const each of new Set([server, ...Object.values(elsewhere)]))
        await dropAll(each, [database, ...Object.values(services).map(databaseOf)], [...specs.values()]);
    },
  };
}

async function shareAmong(url: string, database: string, owners: readonly string[]): Promise<void> {
  await withClient(url, async (client) => {
    for (const owner of owners) {
      await client.query(`GRANT CONNECT, TEMPORARY, CREATE ON DATABASE ${database} TO ${owner}`);
      await client.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${owner}`);
    }
  });
}

function placeOf(
  name: ServiceName,
  tables: readonly string[],
  { owner, runtime, further = {} }: DatabaseSpec,
  server: string,
  tag: string,
): MonolithService {
  return {
    name,
    tables,
    owner,
    runtime,
    further: Object.values(further).map(({ name: role, password, bypassRls = false }) => ({
      name: role,
      password,
      bypassRls,
    })),
    targetUrl: connectionUrl(server, { database: `gravitas_${name}_${tag}` }),
  };
}

function settingsOf(name: ServiceName, spec: DatabaseSpec, service: MonolithService): Record<string, string> {
  const prefix = name.toUpperCase();
  const target = { ...spec, database: databaseOf(service) };
  const url = (role: Parameters<typeof roleUrl>[2]) => roleUrl(service.targetUrl, target, role);
  return {
    [`${prefix}_MIGRATIONS_TABLE`]: `${name}_migrations`,
    [`${prefix}_SPLIT_DATABASE_URL`]: url('runtime'),
    [`${prefix}_SPLIT_MIGRATION_URL`]: url('owner'),
    ...(spec.further && {
      [`${prefix}_SPLIT_READER_URL`]: url('reader'),
      [`${prefix}_SPLIT_NOTARY_URL`]: url('notary'),
    }),
  };
}

/** A service that closes must not take the others' database with it. */
function sharedDatabases(specs: ReadonlyMap<ServiceName, DatabaseSpec>): Record<ServiceName, TestDatabase> {
  const shared = [...specs].map(([name, spec]) => [name, { ...openTestDatabase(spec), drop: async () => undefined }]);
  return Object.fromEntries(shared) as Record<ServiceName, TestDatabase>;
}

function databaseOf({ targetUrl }: MonolithService): string {
  return new URL(targetUrl).pathname.slice(1);
}

async function dropAll(server: string, databases: readonly string[], specs: readonly DatabaseSpec[]): Promise<void> {
  await withClient(server, async (client) => {
    for (const database of databases) await client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    for (const { owner, runtime, further } of specs)
      for (const { name } of [runtime, owner, ...Object.values(further ?? {})])
        await client.query(`DROP ROLE IF EXISTS ${name}`);
  });
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000, query_timeout: 30_000 });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { connectionUrl, provision, roleUrl, serviceDatabase, type DatabaseSpec } from '#database';

/** A database of its own for one suite, with the roles that it has in production. */
export interface TestDatabase {
  /** Of the runtime role; also of the database, unless services share one. */
  name: string;
  ownerUrl: string;
  runtimeUrl: string;
  /** The gatekeeper's other logins; undefined for other services. */
  readerUrl: string | undefined;
  notaryUrl: string | undefined;
  superuserUrl: string;
  /** Runs SQL as the superuser in this database. */
  query: <R extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[]) => Promise<R[]>;
  /** Keeps everybody else from the table until the returned function is called. */
  lockTable: (table: string) => Promise<() => Promise<void>>;
  drop: () => Promise<void>;
}

/** The server that `npm test` started for this worker of jest. */
export function testPostgresUrl(): string {
  const urls = process.env.GRAVITAS_TEST_POSTGRES_URL?.split(' ') ?? [];
  const url = urls[(Number(process.env.JEST_WORKER_ID ?? 1) - 1) % urls.length];
  if (!url)
    throw new Error('GRAVITAS_TEST_POSTGRES_URL is not set: run the tests with `npm test`, or point it at a server');
  return url;
}

export async function createTestDatabase(app: string): Promise<TestDatabase> {
  const url = testPostgresUrl();
  const name = `gravitas_${app}_${randomBytes(4).toString('hex')}`;
  const spec = await serviceDatabase(app, name, () => randomBytes(12).toString('hex'));
  await provision(url, [spec]);
  return openTestDatabase(spec);
}

/** A database that is there, with its roles; `drop` takes away both. */
export function openTestDatabase(spec: DatabaseSpec): TestDatabase {
  const url = testPostgresUrl();
  const name = spec.database;
  const superuserUrl = connectionUrl(url, { database: name });
  const query: TestDatabase['query'] = async (sql, values) => {
    return withClient(superuserUrl, async (client) => (await client.query(sql, values)).rows as never);
  };
  return {
    name: spec.runtime.name,
    ownerUrl: roleUrl(url, spec, 'owner'),
    runtimeUrl: roleUrl(url, spec, 'runtime'),
    readerUrl: spec.further && roleUrl(url, spec, 'reader'),
    notaryUrl: spec.further && roleUrl(url, spec, 'notary'),
    superuserUrl,
    query,
    lockTable: async (table) => {
      const client = new pg.Client({ connectionString: superuserUrl, connectionTimeoutMillis: 20_000 });
      await client.connect();
      await client.query(`BEGIN; LOCK TABLE ${pg.escapeIdentifier(table)} IN ACCESS EXCLUSIVE MODE`);
      return () => client.end();
    },
    drop: () =>
      withClient(url, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
        for (const role of [spec.runtime, spec.owner, ...Object.values(spec.further ?? {})])
          await client.query(`DROP ROLE IF EXISTS ${role.name}`);
      }),
  };
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000, query_timeout: 120_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

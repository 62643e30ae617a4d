import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { connectionUrl } from '#database';
import { testPostgresUrl } from '#testing';

/** An empty database of one's own, as the superuser. */
export interface PlainDatabase {
  name: string;
  url: string;
  /** Statements, or one with values. */
  run: (sql: string, values?: unknown[]) => Promise<pg.QueryResult>;
  with: <T>(work: (client: pg.Client) => Promise<T>) => Promise<T>;
  drop: () => Promise<void>;
}

/** @param options as in CREATE DATABASE: `ENCODING 'LATIN1' TEMPLATE template0` */
export async function plainDatabase(options = '', server = testPostgresUrl()): Promise<PlainDatabase> {
  const name = `split_plain_${randomBytes(4).toString('hex')}`;
  await withClient(server, (client) => client.query(`CREATE DATABASE ${name} ${options}`));
  const url = connectionUrl(server, { database: name });
  const within: PlainDatabase['with'] = (work) => withClient(url, work);
  return {
    ...{ name, url, with: within },
    run: (sql, values) => within((client) => client.query(sql, values)),
    drop: async () => {
      await withClient(server, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000, query_timeout: 60_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

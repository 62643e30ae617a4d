import pg from 'pg';
import { SplitError, verbs, type Verbs } from '#decomposition';
import { ACGS_TABLES, createAcgs, fillAcgs } from '../../libs/decomposition/samples/acgs-1/index.js';

/** The functions behind the verbs. */
export const library: Verbs = {
  ...verbs,
  sample: async (url, options) => {
    await assertEmpty(url);
    await createAcgs(url);
    await withClient(url, (client) => fillAcgs(client, options));
    return { tables: Object.values(ACGS_TABLES).flat().length };
  },
};

async function assertEmpty(url: string): Promise<void> {
  const { rows } = await withClient(url, (client) =>
    client.query<{ tables: number }>(
      `SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    ),
  );
  const { tables } = rows[0]!;
  if (tables > 0)
    throw new SplitError(
      'refused',
      `The database ${new URL(url).pathname.slice(1)} is not empty: it has ${tables} ${tables === 1 ? 'table' : 'tables'}.`,
      'Make an empty one with CREATE DATABASE, and give its URL.',
    );
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  // What breaks is told by the next query.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

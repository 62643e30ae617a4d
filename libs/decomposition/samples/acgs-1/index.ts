import pg from 'pg';
import { PARTS } from './parts.js';

export { fillAcgs, type FillOptions } from './fill-acgs.js';

/** The tables of each of the eight services. */
export const ACGS_TABLES: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(PARTS).map(([service, { fill }]) => [service, Object.keys(fill)]),
);

/**
 * Makes the schema of a system like ACGS-1 in an empty database: eight services in one, with foreign keys across. All of it is ours; only
 * the names of services and tables are those of the plan. @param url of the database, as who shall own the tables
 */
export async function createAcgs(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    const parts = Object.values(PARTS);
    await client.query([...parts.map(({ ddl }) => ddl), ...parts.map(({ foreignKeys }) => foreignKeys)].join('\n'));
  } finally {
    await client.end();
  }
}

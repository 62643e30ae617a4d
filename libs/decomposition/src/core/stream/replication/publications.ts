import type pg from 'pg';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { fullName, quoted, type Table } from '../../catalogue/table.js';
import { SplitError } from '../../errors.js';
import { type Side } from '../../side.js';
import { serverVersion } from './server.js';
import { type StreamNames } from './stream-names.js';

/** Since then a publication can leave out rows, and columns. */
const WITH_LISTS = 150_000;
const BEATS = 'decomposition.beats';

export interface Published {
  service: string;
  from: Side;
  tables: readonly Table[];
}

/**
 * Makes what says which changes are sent, unless it is there: for the stream the moved tables and this stream's beats, for the log the
 * tables' keys. A slot decodes by what was published when a change happened, so this comes before the slots.
 *
 * @throws SplitError `refused` when a table cannot be followed, or other tables are published than those of the plan
 */
export async function ensurePublications(pool: pg.Pool, names: StreamNames, published: Published): Promise<void> {
  const { service, from, tables } = published;
  const full = await readIdentities(pool, tables);
  const lists = (await serverVersion(pool)) >= WITH_LISTS;
  const beats = lists ? `${BEATS} WHERE (service = ${escapeLiteral(service)} AND side = '${from}')` : BEATS;
  // A list of columns must hold the whole identity, or the table would refuse updates.
  const keys = (table: Table): string =>
    lists && !full.has(fullName(table))
      ? `${quoted(table)} (${table.key.map(({ name }) => escapeIdentifier(name)).join(', ')})`
      : quoted(table);
  await ensure(pool, names.stream, [...tables.map(quoted), beats], [...tables.map(fullName), BEATS]);
  await ensure(pool, names.log, tables.map(keys), tables.map(fullName));
}

export async function dropPublications(pool: pg.Pool, names: StreamNames): Promise<void> {
  for (const name of [names.stream, names.log])
    await pool.query(`DROP PUBLICATION IF EXISTS ${escapeIdentifier(name)}`);
}

async function ensure(pool: pg.Pool, name: string, items: string[], tables: string[]): Promise<void> {
  const { rows } = await pool.query<{ tables: string[] }>(
    `SELECT coalesce((SELECT array_agg(schemaname || '.' || tablename) FROM pg_publication_tables WHERE pubname = p.pubname), '{}') AS tables
     FROM pg_publication p WHERE pubname = $1`,
    [name],
  );
  if (!rows[0]) {
    await pool.query(
      `CREATE PUBLICATION ${escapeIdentifier(name)} FOR TABLE ${items.join(', ')} WITH (publish_via_partition_root = true)`,
    );
    return;
  }
  const [is, wanted] = [rows[0].tables, tables].map((list) => [...list].sort().join(', '));
  if (is !== wanted)
    throw new SplitError(
      'refused',
      `Publication ${name} has the tables ${is}, and the plan now asks for ${wanted}.`,
      'Put the plan back as it was when copying began.',
    );
}

/** @returns full names of tables whose whole rows are their identity */
async function readIdentities(pool: pg.Pool, tables: readonly Table[]): Promise<Set<string>> {
  const { rows } = await pool.query<{ name: string; identity: string; immediate: boolean; part: string }>(
    `SELECT w.name, c.relreplident AS identity, c.oid::regclass::text AS part,
       coalesce((SELECT i.indimmediate FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), false) AS immediate
     FROM unnest($1::oid[], $2::text[]) AS w (oid, name) JOIN pg_class c
       ON c.oid = w.oid OR c.oid IN (SELECT relid FROM pg_partition_tree(w.oid))`,
    [tables.map(({ oid }) => oid), tables.map(fullName)],
  );
  const bad = rows.filter(({ identity, immediate }) => identity !== 'f' && !(identity === 'd' && immediate));
  if (bad.length > 0)
    throw new SplitError(
      'refused',
      `The changes of ${bad.map(({ part }) => part).join(', ')} cannot be followed: the replica identity is not the primary key.`,
      'Run ALTER TABLE ... REPLICA IDENTITY DEFAULT, and see that the primary key is not deferrable.',
    );
  return new Set(rows.filter(({ identity }) => identity === 'f').map(({ name }) => name));
}

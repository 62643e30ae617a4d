import { isCut, readForeignKeys, type ForeignKey } from '../catalogue/foreign-keys.js';
import { fullName, parseTableName, quoted } from '../catalogue/table.js';
import { escapeIdentifier } from 'pg';
import { readRelations } from '../describe/read-relations.js';
import { type Relation } from '../describe/schema-object.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { recordDeferred, type Deferred } from './deferred-store.js';

/**
 * Foreign keys of the source between this service's tables and others': never made on the target, and taken away from the source by
 * the switch. A way back makes them again, for new rows only.
 */
export async function cutForeignKeys(move: Move, relations: readonly Relation[]): Promise<ForeignKey[]> {
  const roots = new Map(relations.map(({ schema, name, root }) => [`${schema}.${name}`, root]));
  const own = new Set(roots.values());
  const rooted = (key: ForeignKey): ForeignKey => ({
    ...key,
    from: roots.get(key.from) ?? key.from,
    to: roots.get(key.to) ?? key.to,
  });
  return (await readForeignKeys(move.databases.source)).filter((key) => {
    const { from, to } = rooted(key);
    return (own.has(from) || own.has(to)) && isCut(move.plan, rooted(key));
  });
}

/** Writes down those that are there now: a way back of another service may have made some since `create`. Idempotent. */
export async function noteCutKeys(move: Move): Promise<void> {
  const tables = await move.tables('source');
  const relations = await inTransaction(move.databases.source, async (client) => {
    await client.query('SET LOCAL search_path = pg_catalog');
    return (await readRelations(client, tables.map(fullName))).relations;
  });
  const rows = await cutRows(move, await cutForeignKeys(move, relations));
  await inTransaction(move.databases.target, (client) => recordDeferred(move, 'source', rows, client));
}

/** As they are kept for the switch. */
export async function cutRows(move: Move, keys: readonly ForeignKey[]): Promise<Deferred[]> {
  const { rows } = await move.databases.source.query<{ name: string; partitioned: boolean; version: number }>(
    `SELECT n.nspname || '.' || c.relname AS name, c.relkind = 'p' AS partitioned, current_setting('server_version_num')::int AS version
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = ANY ($1)`,
    [keys.map(({ from }) => from)],
  );
  return keys.map(({ name, from, to, definition }, place) => {
    const table = quoted(parseTableName(from));
    const checksAll = rows.some((row) => row.name === from && row.partitioned && row.version < 180_000);
    const unchecked = checksAll || definition.endsWith(' NOT VALID') ? '' : ' NOT VALID';
    return {
      ...{ place, kind: 'foreign key', table: from, name, meaning: JSON.stringify({ from, to }), present: true },
      make: `ALTER TABLE ${table} ADD CONSTRAINT ${escapeIdentifier(name)} ${definition}${unchecked}`,
      unmake: `ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS ${escapeIdentifier(name)}`,
    };
  });
}

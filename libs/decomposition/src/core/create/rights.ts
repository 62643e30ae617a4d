import { escapeIdentifier } from 'pg';
import { fullName, parseTableName } from '../catalogue/table.js';
import { describe } from '../describe/describe.js';
import { readRelations } from '../describe/read-relations.js';
import { type Move } from '../move.js';
import { inTransaction } from '../in-transaction.js';
import { loginsOf } from './drift.js';
import { readGrants } from './read-grants.js';

/** All but the owner, which has every right on what is its own. */
export function users({ service }: Move): string[] {
  return [service.runtime, ...service.further].map(({ name }) => name);
}

/** What the service may do with its tables on the target: the statements, as the owner says them. */
export async function tableGrants(move: Move): Promise<string[]> {
  const { relations, sequences, functions } = await describe(
    move.databases.source,
    move.service.tables,
    loginsOf(move),
  );
  return readGrants(move.databases.source, {
    ...{ relations, sequences, functions },
    runtime: move.service.runtime.name,
    logins: users(move),
  });
}

/** Tables that were there before are given to the service's owner; then each login gets what it is to have. One transaction. */
export async function grantTables(move: Move, statements: readonly string[]): Promise<void> {
  const owner = escapeIdentifier(move.service.owner.name);
  await inTransaction(move.databases.target, async (client) => {
    await client.query('SET LOCAL search_path = pg_catalog');
    const { relations } = await readRelations(
      client,
      move.service.tables.map((text) => fullName(parseTableName(text))),
    );
    const { rows } = await client.query<{ name: string }>(
      'SELECT oid::regclass::text AS name FROM pg_class WHERE oid = ANY ($1::oid[]) AND relowner <> $2::regrole',
      [relations.map(({ oid }) => oid), owner],
    );
    for (const { name } of rows) await client.query(`ALTER TABLE ${name} OWNER TO ${owner}`);
    await client.query(`SET LOCAL ROLE ${owner}`);
    for (const statement of statements) await client.query(statement);
  });
}

/** What taking part needs: to read the move's state, and, for what the service runs as, to say that it is there. */
export async function grantTakingPart(move: Move): Promise<void> {
  const runtime = escapeIdentifier(move.service.runtime.name);
  const all = users(move).map(escapeIdentifier).join(', ');
  await inTransaction(move.databases.target, async (client) => {
    await client.query(`
      REVOKE ALL ON SCHEMA decomposition FROM PUBLIC;
      GRANT USAGE ON SCHEMA decomposition TO ${all};
      GRANT SELECT ON decomposition.moves TO ${all};
      GRANT SELECT, INSERT, UPDATE, DELETE ON decomposition.instances TO ${runtime}`);
  });
}

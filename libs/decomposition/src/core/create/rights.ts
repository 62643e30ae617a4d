import { escapeIdentifier } from 'pg';
import { describe } from '../describe/describe.js';
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

/** Takes what a login had before, and gives it what it is to have, in one transaction. */
export async function grantTables(move: Move, statements: readonly string[]): Promise<void> {
  await inTransaction(move.databases.target, async (client) => {
    await client.query(
      `SET LOCAL search_path = pg_catalog; SET LOCAL ROLE ${escapeIdentifier(move.service.owner.name)}`,
    );
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

import { type QueryRunner } from 'typeorm';
import { roleName, type DatabaseRole } from './service-database.js';

type Grantee = Exclude<DatabaseRole, 'owner'>;

/**
 * In a migration: gives the service's runtime role rights on tables, sequences or functions that the owner just made.
 * Does nothing where the service runs as the owner itself.
 *
 * @param privileges as in GRANT, such as `SELECT, INSERT`
 * @param objects as in GRANT ... ON, such as `history` or `FUNCTION f(int)`
 */
export function grantToRuntime(queryRunner: QueryRunner, privileges: string, ...objects: string[]): Promise<void> {
  return grantTo(queryRunner, 'runtime', privileges, ...objects);
}

/** As `grantToRuntime`, for another of the service's roles. @throws Error when there is no such role */
export async function grantTo(
  queryRunner: QueryRunner,
  role: Grantee,
  privileges: string,
  ...objects: string[]
): Promise<void> {
  await change(queryRunner, role, objects, (object, grantee) => `GRANT ${privileges} ON ${object} TO ${grantee}`);
}

/** Takes rights back that an earlier migration gave. */
export async function revokeFrom(
  queryRunner: QueryRunner,
  role: Grantee,
  privileges: string,
  ...objects: string[]
): Promise<void> {
  await change(queryRunner, role, objects, (object, grantee) => `REVOKE ${privileges} ON ${object} FROM ${grantee}`);
}

async function change(
  queryRunner: QueryRunner,
  role: Grantee,
  objects: readonly string[],
  statement: (object: string, grantee: string) => string,
): Promise<void> {
  const grantee = await quotedRole(queryRunner, role);
  if (grantee === undefined) return;
  for (const object of objects) await queryRunner.query(statement(object, grantee));
}

/**
 * The name of one of the service's roles, as SQL has it; undefined where that is the owner itself.
 *
 * @throws Error when there is no such role
 */
export async function quotedRole(queryRunner: QueryRunner, role: Grantee): Promise<string | undefined> {
  const { runtimeRole } = queryRunner.dataSource.options.extra as { runtimeRole: string };
  const name = roleName(runtimeRole, role);
  const [row] = (await queryRunner.query(
    `SELECT current_user <> $1 AS apart, quote_ident($1) AS quoted, to_regrole(quote_ident($1)) IS NOT NULL AS present`,
    [name],
  )) as [{ apart: boolean; quoted: string; present: boolean }];
  if (!row.apart) return undefined;
  if (!row.present) throw new Error(`there is no role ${name}; \`node scripts/run.mjs setup\` makes it`);
  return row.quoted;
}

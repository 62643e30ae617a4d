import { type QueryRunner } from 'typeorm';

/**
 * In a migration: gives the service's runtime role rights on tables, sequences or functions that the owner just made.
 * Does nothing where the service runs as the owner itself.
 *
 * @param privileges as in GRANT, such as `SELECT, INSERT`
 * @param objects as in GRANT ... ON, such as `history` or `FUNCTION f(int)`
 */
export async function grantToRuntime(
  queryRunner: QueryRunner,
  privileges: string,
  ...objects: string[]
): Promise<void> {
  const { runtimeRole } = queryRunner.dataSource.options.extra as { runtimeRole: string };
  const [row] = (await queryRunner.query('SELECT current_user <> $1 AS apart, quote_ident($1) AS quoted', [
    runtimeRole,
  ])) as [{ apart: boolean; quoted: string }];
  if (!row.apart) return;
  for (const object of objects) await queryRunner.query(`GRANT ${privileges} ON ${object} TO ${row.quoted}`);
}

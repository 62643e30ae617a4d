import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo, quotedRole, revokeFrom } from '#database';

/**
 * Holds every read of the trail to one tenant: the reader sees the rows of the tenant that its transaction names in
 * `gravitas.tenant`, and none when it names none. The service itself may only insert; COPY FROM is refused under row-level security, so
 * its role is above it. Only the notary reads all of it. The policy holds for the owner too (FORCE): a migration that has to read rows
 * lifts that for its own transaction.
 */
export class SeparateTenants1764028800000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    const reader = await quotedRole(queryRunner, 'reader');
    await queryRunner.query('ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
    if (reader !== undefined)
      await queryRunner.query(`
        CREATE POLICY tenant ON audit_log FOR SELECT TO ${reader}
        USING (tenant_id = current_setting('gravitas.tenant', true))`);
    await grantTo(queryRunner, 'reader', 'SELECT', 'audit_log');
    await grantTo(queryRunner, 'notary', 'SELECT', 'audit_log');
    await revokeFrom(queryRunner, 'runtime', 'SELECT', 'audit_log');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await grantTo(queryRunner, 'runtime', 'SELECT', 'audit_log');
    await revokeFrom(queryRunner, 'notary', 'SELECT', 'audit_log');
    await revokeFrom(queryRunner, 'reader', 'SELECT', 'audit_log');
    await queryRunner.query('DROP POLICY IF EXISTS tenant ON audit_log');
    await queryRunner.query('ALTER TABLE audit_log NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY');
  }
}

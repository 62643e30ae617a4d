import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo, grantToRuntime, revokeFrom } from '#database';

const TABLE = 'audit_seals';

/**
 * Months that are closed, so that their events may be dropped: what each tenant's log has of them, as canonical JSON, signed. A month is
 * sealed again when events of it came late.
 */
export class SealMonths1764288000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE audit_seals ADD COLUMN statement text, ADD COLUMN note text');
    await grantTo(queryRunner, 'notary', 'SELECT, INSERT', TABLE);
    await grantTo(queryRunner, 'notary', 'UPDATE (sealed_at, statement, note)', TABLE);
    await grantTo(queryRunner, 'reader', 'SELECT', TABLE);
    await grantToRuntime(queryRunner, 'SELECT', TABLE);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await revokeFrom(queryRunner, 'runtime', 'SELECT', TABLE);
    await revokeFrom(queryRunner, 'reader', 'SELECT', TABLE);
    await revokeFrom(queryRunner, 'notary', 'UPDATE (sealed_at, statement, note)', TABLE);
    await queryRunner.query('ALTER TABLE audit_seals DROP COLUMN note, DROP COLUMN statement');
  }
}

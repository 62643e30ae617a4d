import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Who produced an event and which one of that producer's it was, so that a missing event shows as a missing number. Null for events
 * from before, and for those whose sender does not number them. Without a default, so that no row is rewritten.
 */
export class NumberAuditEvents1763769600000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE audit_log ADD COLUMN producer uuid, ADD COLUMN sequence bigint');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE audit_log DROP COLUMN sequence, DROP COLUMN producer');
  }
}

import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/** A key is retired when another takes its place: what it signed holds on. It is revoked when it leaked: then nothing of it holds. */
export class RetireSigningKeys1763856000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE signing_keys
        ADD COLUMN retired_at      timestamptz(3),
        ADD COLUMN revoked_at      timestamptz(3),
        ADD COLUMN revoked_reason  text,
        ADD CONSTRAINT signing_keys_revoked_check CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))`);
    // Finds the certificate that counts. One that was revoked before the time at which it says it was issued (a clock that was wrong)
    // stands where it was revoked, so that it does not stand before all that come later.
    await queryRunner.query(
      `CREATE INDEX certificates_counts_idx ON certificates (agent, LEAST(issued_at, revoked_at) DESC, serial DESC)`,
    );
    await grantToRuntime(queryRunner, 'UPDATE (retired_at, revoked_at, revoked_reason)', 'signing_keys');
  }

  /**
   * The code before looked for the newest certificate that is not revoked itself. So what is older than a revoked one, or was signed with
   * a revoked key, is revoked here: nothing comes back to life.
   */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      UPDATE certificates c SET revoked_at = now(), revoked_reason = 'stood behind a revoked one'
      WHERE c.revoked_at IS NULL AND EXISTS (
        SELECT FROM certificates bad JOIN signing_keys k USING (key_id)
        WHERE bad.agent = c.agent AND (bad.issued_at, bad.serial) >= (c.issued_at, c.serial)
          AND (bad.revoked_at IS NOT NULL OR k.revoked_at IS NOT NULL))`);
    await queryRunner.query(`DROP INDEX certificates_counts_idx`);
    await queryRunner.query(`
      ALTER TABLE signing_keys DROP COLUMN retired_at, DROP COLUMN revoked_at, DROP COLUMN revoked_reason`);
  }
}

import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo, quotedRole, revokeFrom } from '#database';

const TABLES = ['tlog_cosignatures', 'tlog_witnesses'];

/**
 * What witnesses say of the checkpoints, and how far each has come; what it takes to drop checkpoints that are older than a day but for the
 * last of each hour; and what the reader needs to tell an event that waits for the log from one that is never in it.
 */
export class KeepCosignatures1764374400000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // `witness` is the verifier key, `line` the signature line as signed-note has it, with its newline.
    await queryRunner.query(`
      CREATE TABLE tlog_cosignatures (
        tenant_id text        NOT NULL,
        size      bigint      NOT NULL,
        witness   text        NOT NULL,
        line      text        NOT NULL CHECK (length(line) <= 6000),
        made_at   timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, size, witness)
      )`);
    // `size` is what the witness has cosigned last, as far as it is known here.
    await queryRunner.query(`
      CREATE TABLE tlog_witnesses (
        tenant_id text        NOT NULL,
        witness   text        NOT NULL,
        size      bigint      NOT NULL,
        cosigned_at timestamptz,
        asked_at  timestamptz NOT NULL,
        problem   text,
        PRIMARY KEY (tenant_id, witness)
      )`);
    await queryRunner.query('CREATE INDEX tlog_checkpoints_time_idx ON tlog_checkpoints (made_at)');
    await queryRunner.query('ALTER TABLE tlog_sequencer ADD COLUMN thinned_to timestamptz');

    const reader = await quotedRole(queryRunner, 'reader');
    for (const table of TABLES) {
      await queryRunner.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`);
      if (reader !== undefined)
        await queryRunner.query(`
          CREATE POLICY tenant ON ${table} FOR SELECT TO ${reader}
          USING (tenant_id = current_setting('gravitas.tenant', true))`);
    }
    await grantTo(queryRunner, 'reader', 'SELECT', ...TABLES);
    await grantTo(queryRunner, 'reader', 'SELECT (seen, adopted)', 'tlog_sequencer');
    await grantTo(queryRunner, 'notary', 'SELECT, INSERT, UPDATE, DELETE', 'tlog_cosignatures');
    await grantTo(queryRunner, 'notary', 'SELECT, INSERT, UPDATE', 'tlog_witnesses');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await revokeFrom(queryRunner, 'reader', 'SELECT (seen, adopted)', 'tlog_sequencer');
    await queryRunner.query('ALTER TABLE tlog_sequencer DROP COLUMN thinned_to');
    await queryRunner.query('DROP INDEX tlog_checkpoints_time_idx');
    for (const table of TABLES) await queryRunner.query(`DROP TABLE ${table}`);
  }
}

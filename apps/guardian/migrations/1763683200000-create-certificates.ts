import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/**
 * Certificates are never edited: what was signed stays as it was signed, and the runtime role may change nothing of a row but
 * its revocation. Public keys stay, so that what an earlier key signed can still be checked.
 */
export class CreateCertificates1763683200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE signing_keys (
        key_id      text           NOT NULL,
        public_key  text           NOT NULL,
        created_at  timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT signing_keys_pkey PRIMARY KEY (key_id)
      )`);
    await queryRunner.query(`
      CREATE TABLE certificates (
        serial          uuid           NOT NULL,
        agent           text           NOT NULL,
        issued_at       timestamptz(3) NOT NULL,
        expires_at      timestamptz(3) NOT NULL,
        version         integer        NOT NULL,
        capabilities    text[]         NOT NULL,
        statement       text           NOT NULL,
        signature       text           NOT NULL,
        key_id          text           NOT NULL,
        revoked_at      timestamptz(3),
        revoked_reason  text,
        CONSTRAINT certificates_pkey PRIMARY KEY (serial),
        CONSTRAINT certificates_key_fkey FOREIGN KEY (key_id) REFERENCES signing_keys (key_id),
        CONSTRAINT certificates_time_check CHECK (expires_at > issued_at),
        CONSTRAINT certificates_revoked_check CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
      )`);
    await queryRunner.query(`CREATE INDEX certificates_agent_idx ON certificates (agent, issued_at DESC, serial DESC)`);
    await queryRunner.query(`CREATE INDEX certificates_time_idx ON certificates (issued_at DESC, serial DESC)`);

    await grantToRuntime(queryRunner, 'SELECT, INSERT', 'signing_keys');
    await grantToRuntime(queryRunner, 'SELECT, INSERT, UPDATE (revoked_at, revoked_reason)', 'certificates');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE certificates`);
    await queryRunner.query(`DROP TABLE signing_keys`);
  }
}

import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/**
 * Tokens that are refused although they are well signed: one by its `jti`, or all of a ghost that were issued until `revoked_at`.
 * `expires_at` is when no such token can be good any more; null means never. Each change takes the next `revision`.
 */
export class RevokeTokens1763856000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE revoked_tokens (
        tenant_id  text        NOT NULL,
        kind       text        NOT NULL,
        value      text        NOT NULL,
        revoked_at timestamptz NOT NULL,
        revoked_by text        NOT NULL,
        reason     text        NOT NULL,
        expires_at timestamptz,
        revision   bigint      NOT NULL,
        CONSTRAINT revoked_tokens_pkey PRIMARY KEY (tenant_id, kind, value),
        CONSTRAINT revoked_tokens_revision_key UNIQUE (revision),
        CONSTRAINT revoked_tokens_kind_check CHECK (kind IN ('jti', 'ghost'))
      )`);
    await queryRunner.query(`CREATE SEQUENCE revoked_tokens_revision OWNED BY revoked_tokens.revision`);
    await grantToRuntime(queryRunner, 'SELECT, INSERT, UPDATE, DELETE', 'revoked_tokens');
    await grantToRuntime(queryRunner, 'USAGE', 'SEQUENCE revoked_tokens_revision');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE revoked_tokens`);
  }
}

import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo, grantToRuntime } from '#database';

/**
 * Policies by version, for replay by the notary: the service adds those that come into force, and can neither change nor remove any.
 */
export class KeepPolicies1763942400000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE access_policies (
        version         text        NOT NULL,
        canonical       jsonb       NOT NULL,
        rules           integer     NOT NULL,
        source          text        NOT NULL,
        loaded_by       text,
        first_loaded_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT access_policies_pkey PRIMARY KEY (version),
        CONSTRAINT access_policies_version_check CHECK (version ~ '^[0-9a-f]{64}$'),
        CONSTRAINT access_policies_source_check CHECK (source IN ('boot', 'watch', 'reload'))
      )`);
    await grantToRuntime(queryRunner, 'SELECT, INSERT', 'access_policies');
    await grantTo(queryRunner, 'notary', 'SELECT', 'access_policies');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE access_policies');
  }
}

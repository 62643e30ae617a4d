import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/**
 * The registry: shells (models) and ghosts (agents' identities), kept in step with the service's YAML files.
 * Nothing is ever deleted, so that what was routed in the past can still be looked up: rows that leave the files are retired.
 */
export class CreateRegistry1763683200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE shells (
        name               text             NOT NULL,
        position           integer          NOT NULL,
        tier               text             NOT NULL,
        provider           text             NOT NULL,
        provider_model     text             NOT NULL,
        context_window     integer          NOT NULL,
        cost_per_1k_input  double precision NOT NULL,
        cost_per_1k_output double precision NOT NULL,
        capabilities       jsonb            NOT NULL,
        created_at         timestamptz      NOT NULL DEFAULT now(),
        updated_at         timestamptz      NOT NULL DEFAULT now(),
        retired_at         timestamptz,
        CONSTRAINT shells_pkey PRIMARY KEY (name),
        CONSTRAINT shells_tier_check CHECK (tier IN ('L1', 'L2', 'L3')),
        CONSTRAINT shells_context_window_check CHECK (context_window > 0),
        CONSTRAINT shells_cost_check CHECK (cost_per_1k_input >= 0 AND cost_per_1k_output >= 0)
      )`);
    await queryRunner.query(`
      CREATE TABLE ghosts (
        name            text        NOT NULL,
        position        integer     NOT NULL,
        preferred_shell text        NOT NULL,
        fallbacks       jsonb       NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        updated_at      timestamptz NOT NULL DEFAULT now(),
        retired_at      timestamptz,
        CONSTRAINT ghosts_pkey PRIMARY KEY (name),
        CONSTRAINT ghosts_preferred_shell_fkey FOREIGN KEY (preferred_shell) REFERENCES shells (name)
      )`);
    await grantToRuntime(queryRunner, 'SELECT, INSERT, UPDATE', 'shells', 'ghosts');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE ghosts`);
    await queryRunner.query(`DROP TABLE shells`);
  }
}

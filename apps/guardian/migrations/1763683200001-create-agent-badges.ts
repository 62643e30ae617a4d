import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/** A badge is there or it is not; its history is in the audit trail. */
export class CreateAgentBadges1763683200001 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE agent_badges (
        ghost_id    text           NOT NULL,
        badge       text           NOT NULL,
        granted_at  timestamptz(3) NOT NULL DEFAULT now(),
        granted_by  text           NOT NULL,
        CONSTRAINT agent_badges_pkey PRIMARY KEY (ghost_id, badge)
      )`);
    await grantToRuntime(queryRunner, 'SELECT, INSERT, DELETE', 'agent_badges');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE agent_badges`);
  }
}

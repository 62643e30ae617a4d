import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/** What agents asked and what they were answered. Read by ghost, newest first, page by page. */
export class CreateHistory1763683200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE history (
        id          uuid        NOT NULL,
        tenant_id   text        NOT NULL,
        ghost_id    text        NOT NULL,
        session_id  text,
        request_id  text,
        role        text        NOT NULL,
        content     text        NOT NULL,
        truncated   boolean     NOT NULL,
        model       text,
        status      text        NOT NULL,
        created_at  timestamptz NOT NULL,
        CONSTRAINT history_pkey PRIMARY KEY (id),
        CONSTRAINT history_role_check CHECK (role IN ('user', 'assistant')),
        CONSTRAINT history_status_check CHECK (status IN ('complete', 'partial'))
      )`);
    await queryRunner.query(
      `CREATE INDEX history_ghost_idx ON history (tenant_id, ghost_id, created_at DESC, id DESC)`,
    );
    await queryRunner.query(`CREATE INDEX history_time_idx ON history (created_at DESC, id DESC)`);
    await grantToRuntime(queryRunner, 'SELECT, INSERT, UPDATE, DELETE', 'history');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE history`);
  }
}

import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/** One row a request: what was asked, what was tried, what answered. Without foreign keys: it is a log and outlives the registry. */
export class CreateRoutingDecisions1763683200001 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE routing_decisions (
        id              uuid             NOT NULL,
        created_at      timestamptz      NOT NULL,
        request_id      text             NOT NULL,
        session_id      text             NOT NULL,
        tenant_id       text             NOT NULL,
        ghost_id        text,
        requested_model text             NOT NULL,
        shell           text,
        tier            text,
        provider        text,
        complexity      double precision NOT NULL,
        priority        text             NOT NULL,
        stream          boolean          NOT NULL,
        candidates      jsonb            NOT NULL,
        outcome         text             NOT NULL,
        error_code      text,
        latency_ms      double precision NOT NULL,
        tokens_in       integer          NOT NULL,
        tokens_out      integer          NOT NULL,
        CONSTRAINT routing_decisions_pkey PRIMARY KEY (id),
        CONSTRAINT routing_decisions_outcome_check CHECK (outcome IN ('succeeded', 'failed', 'cancelled', 'refused'))
      )`);
    await queryRunner.query(`CREATE INDEX routing_decisions_time_idx ON routing_decisions (created_at DESC)`);
    await queryRunner.query(
      `CREATE INDEX routing_decisions_ghost_idx ON routing_decisions (ghost_id, created_at DESC)`,
    );
    await grantToRuntime(queryRunner, 'SELECT, INSERT', 'routing_decisions');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE routing_decisions`);
  }
}

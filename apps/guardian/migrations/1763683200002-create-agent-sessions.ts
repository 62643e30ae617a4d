import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/** A session is active while it has no end. Its times are the database's, so that instances with different clocks agree. */
export class CreateAgentSessions1763683200002 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE agent_sessions (
        session_id   text        NOT NULL,
        agent        text        NOT NULL,
        started_at   timestamptz NOT NULL DEFAULT now(),
        started_by   text        NOT NULL,
        ended_at     timestamptz,
        outcome      text,
        output_file  text,
        metadata     jsonb       NOT NULL,
        CONSTRAINT agent_sessions_pkey PRIMARY KEY (session_id),
        CONSTRAINT agent_sessions_outcome_check CHECK (outcome IN ('succeeded', 'failed', 'cancelled')),
        CONSTRAINT agent_sessions_end_check CHECK ((ended_at IS NULL) = (outcome IS NULL))
      )`);
    // Holds all that the figures per agent need, so that they are read from the index alone.
    await queryRunner.query(
      `CREATE INDEX agent_sessions_agent_idx ON agent_sessions (agent) INCLUDE (started_at, ended_at)`,
    );
    await grantToRuntime(queryRunner, 'SELECT, INSERT, UPDATE (ended_at, outcome, output_file)', 'agent_sessions');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE agent_sessions`);
  }
}

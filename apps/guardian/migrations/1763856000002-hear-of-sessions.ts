import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/** A session that was not heard of for long is abandoned. What is active at the time of this migration counts as heard of just now. */
export class HearOfSessions1763856000002 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE agent_sessions ADD COLUMN last_seen_at timestamptz NOT NULL DEFAULT now()`);
    await outcomes(queryRunner, `'succeeded', 'failed', 'cancelled', 'abandoned'`);
    await statsIndex(queryRunner, 'started_at, ended_at, outcome');
    // What the reaper looks through: only the active sessions, those first that were not heard of for longest.
    await queryRunner.query(
      `CREATE INDEX agent_sessions_active_idx ON agent_sessions (last_seen_at) WHERE ended_at IS NULL`,
    );
    await grantToRuntime(queryRunner, 'UPDATE (last_seen_at)', 'agent_sessions');
  }

  /** Nothing before knew of abandoned sessions: they become cancelled ones. */
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`UPDATE agent_sessions SET outcome = 'cancelled' WHERE outcome = 'abandoned'`);
    await outcomes(queryRunner, `'succeeded', 'failed', 'cancelled'`);
    await queryRunner.query(`DROP INDEX agent_sessions_active_idx`);
    await statsIndex(queryRunner, 'started_at, ended_at');
    await queryRunner.query(`ALTER TABLE agent_sessions DROP COLUMN last_seen_at`);
  }
}

async function outcomes(queryRunner: QueryRunner, allowed: string): Promise<void> {
  await queryRunner.query(`
    ALTER TABLE agent_sessions
      DROP CONSTRAINT agent_sessions_outcome_check,
      ADD CONSTRAINT agent_sessions_outcome_check CHECK (outcome IN (${allowed}))`);
}

/** Holds all that the figures per agent need, so that they are read from the index alone. */
async function statsIndex(queryRunner: QueryRunner, included: string): Promise<void> {
  await queryRunner.query(`DROP INDEX agent_sessions_agent_idx`);
  await queryRunner.query(`CREATE INDEX agent_sessions_agent_idx ON agent_sessions (agent) INCLUDE (${included})`);
}

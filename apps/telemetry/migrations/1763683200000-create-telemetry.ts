import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/** Events (written in bulk, read by time) and usage (money: each model call once, by its id). */
export class CreateTelemetry1763683200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE system_telemetry (
        id          uuid             NOT NULL,
        timestamp   timestamptz      NOT NULL,
        tenant_id   text             NOT NULL,
        ghost_id    text,
        event_type  text             NOT NULL,
        component   text,
        value       double precision,
        status      text,
        metadata    jsonb            NOT NULL,
        CONSTRAINT system_telemetry_pkey PRIMARY KEY (id)
      )`);
    await queryRunner.query(`CREATE INDEX system_telemetry_time_idx ON system_telemetry (timestamp DESC, id DESC)`);
    for (const column of ['component', 'event_type'])
      await queryRunner.query(
        `CREATE INDEX system_telemetry_${column}_idx ON system_telemetry (${column}, timestamp DESC, id DESC)`,
      );
    await queryRunner.query(
      `CREATE INDEX system_telemetry_ghost_idx ON system_telemetry (ghost_id, timestamp DESC, id DESC)`,
    );

    await queryRunner.query(`
      CREATE TABLE usage_stats (
        id          uuid             NOT NULL,
        timestamp   timestamptz      NOT NULL,
        tenant_id   text             NOT NULL,
        ghost_id    text             NOT NULL,
        model       text             NOT NULL,
        provider    text             NOT NULL,
        tier        text             NOT NULL,
        tokens_in   bigint           NOT NULL,
        tokens_out  bigint           NOT NULL,
        cost_usd    numeric(20, 10)  NOT NULL,
        latency_ms  double precision NOT NULL,
        outcome     text             NOT NULL,
        session_id  text,
        CONSTRAINT usage_stats_pkey PRIMARY KEY (id)
      )`);
    await queryRunner.query(`CREATE INDEX usage_stats_time_idx ON usage_stats (timestamp)`);
    await queryRunner.query(`CREATE INDEX usage_stats_ghost_idx ON usage_stats (ghost_id, timestamp)`);

    await grantToRuntime(queryRunner, 'SELECT, INSERT, UPDATE, DELETE', 'system_telemetry', 'usage_stats');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE usage_stats`);
    await queryRunner.query(`DROP TABLE system_telemetry`);
  }
}

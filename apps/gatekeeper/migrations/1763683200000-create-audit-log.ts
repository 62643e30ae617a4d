import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantToRuntime } from '#database';

/**
 * The audit trail: partitioned by month from the start, without a default partition, append-only for the service itself.
 * Months are made by a function that belongs to the owner, so that the runtime role can ask for them without any right on tables.
 */
export class CreateAuditLog1763683200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE audit_log (
        id          uuid        NOT NULL,
        tenant_id   text        NOT NULL,
        timestamp   timestamptz NOT NULL,
        service     text        NOT NULL,
        ghost_id    text,
        shell_id    text,
        action      text        NOT NULL,
        resource    text        NOT NULL,
        result      text        NOT NULL,
        reason      text        NOT NULL,
        request_id  text,
        session_id  text,
        entities    jsonb       NOT NULL,
        metadata    jsonb       NOT NULL,
        CONSTRAINT audit_log_pkey PRIMARY KEY (id, timestamp),
        CONSTRAINT audit_log_result_check CHECK (
          result IN ('ALLOWED', 'DENIED', 'UNAUTHENTICATED', 'SUCCEEDED', 'FAILED', 'CANCELLED')
        )
      ) PARTITION BY RANGE (timestamp)`);
    await queryRunner.query(`CREATE INDEX audit_log_time_idx ON audit_log (timestamp DESC, id DESC)`);
    await queryRunner.query(`CREATE INDEX audit_log_ghost_idx ON audit_log (ghost_id, timestamp DESC, id DESC)`);

    // Attached rather than created as a partition: ATTACH takes no ACCESS EXCLUSIVE lock on the parent, so writers go on.
    await queryRunner.query(`
      CREATE FUNCTION ensure_audit_partitions(months_back integer, months_ahead integer) RETURNS SETOF text
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
      DECLARE
        first_month timestamptz := date_trunc('month', now());
        month timestamptz;
        partition text;
      BEGIN
        IF months_back NOT BETWEEN 0 AND 120 OR months_ahead NOT BETWEEN 0 AND 120 THEN
          RAISE EXCEPTION 'months_back and months_ahead must be from 0 to 120';
        END IF;
        -- Instances that boot together take turns; the lock ends with the transaction.
        PERFORM pg_advisory_xact_lock(hashtext('gravitas audit partitions'));
        FOR offset_months IN -months_back .. months_ahead LOOP
          month := first_month + make_interval(months => offset_months);
          partition := 'audit_log_' || to_char(month, 'YYYY_MM');
          CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
          EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
          EXECUTE format(
            'ALTER TABLE public.audit_log ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            partition, month, month + interval '1 month');
          RETURN NEXT partition;
        END LOOP;
      END $$`);
    await queryRunner.query(`REVOKE ALL ON FUNCTION ensure_audit_partitions(integer, integer) FROM PUBLIC`);

    await grantToRuntime(queryRunner, 'SELECT, INSERT', 'audit_log');
    await grantToRuntime(queryRunner, 'EXECUTE', 'FUNCTION ensure_audit_partitions(integer, integer)');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP FUNCTION ensure_audit_partitions(integer, integer)`);
    await queryRunner.query(`DROP TABLE audit_log`);
  }
}

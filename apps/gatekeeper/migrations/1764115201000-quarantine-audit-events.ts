import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo, grantToRuntime } from '#database';

/**
 * Where an event waits whose month the trail does not have. `release_quarantined(most)` moves those in whose month is there by now,
 * and says how many it took up; `quarantined_audit_events()` counts what waits, per month. The runtime role may add, and read nothing.
 */
export class QuarantineAuditEvents1764115201000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    const run = (sql: string): Promise<unknown> => queryRunner.query(sql);
    await run(`
      CREATE TABLE audit_quarantine (
        id             uuid        NOT NULL,
        timestamp      timestamptz NOT NULL,
        event          jsonb       NOT NULL,
        reason         text        NOT NULL,
        quarantined_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT audit_quarantine_pkey PRIMARY KEY (id),
        -- What the trail would refuse must not wait for it.
        CONSTRAINT audit_quarantine_result_check CHECK (
          event ->> 'result' IN ('ALLOWED', 'DENIED', 'UNAUTHENTICATED', 'SUCCEEDED', 'FAILED', 'CANCELLED')
        )
      )`);
    await run(`CREATE INDEX audit_quarantine_time_idx ON audit_quarantine (timestamp)`);
    await run(COUNT);
    await run(RELEASE);
    for (const name of FUNCTIONS) await run(`REVOKE ALL ON FUNCTION ${name} FROM PUBLIC`);
    await grantToRuntime(queryRunner, 'INSERT', 'audit_quarantine');
    await grantTo(queryRunner, 'notary', 'SELECT', 'audit_quarantine');
    for (const name of FUNCTIONS) await grantToRuntime(queryRunner, 'EXECUTE', `FUNCTION ${name}`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const name of FUNCTIONS) await queryRunner.query(`DROP FUNCTION ${name}`);
    await queryRunner.query(`DROP TABLE audit_quarantine`);
  }
}

const FUNCTIONS = ['quarantined_audit_events()', 'release_quarantined(integer)'];

const COUNT = `
  CREATE FUNCTION quarantined_audit_events() RETURNS TABLE (month timestamptz, events bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
    SELECT date_trunc('month', timestamp), count(*) FROM public.audit_quarantine GROUP BY 1 ORDER BY 1
  $$`;

/** An event that came again by another path meanwhile is in the trail already: it only leaves. */
const RELEASE = `
  CREATE FUNCTION release_quarantined(most integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
  DECLARE
    taken uuid[];
  BEGIN
    SELECT array_agg(id) INTO taken FROM (
      SELECT q.id FROM public.audit_quarantine q
      WHERE EXISTS (SELECT FROM public.audit_months('audit_log') m WHERE q.timestamp >= m.starts AND q.timestamp < m.ends)
        AND EXISTS (SELECT FROM public.audit_months('event_entities') m WHERE q.timestamp >= m.starts AND q.timestamp < m.ends)
      ORDER BY q.timestamp LIMIT most FOR UPDATE SKIP LOCKED
    ) AS due;
    INSERT INTO public.event_entities (tenant_id, kind, id, timestamp, event_id)
      SELECT e.tenant_id, f.kind, f.id, q.timestamp, q.id
      FROM public.audit_quarantine q, jsonb_populate_record(NULL::public.audit_log, q.event) e,
        public.audit_entities_of(e.ghost_id, e.session_id, e.shell_id, e.resource, e.entities) f
      WHERE q.id = ANY (taken) ON CONFLICT DO NOTHING;
    INSERT INTO public.audit_log (id, tenant_id, timestamp, service, ghost_id, shell_id, action, resource, result, reason,
        request_id, session_id, entities, metadata, producer, sequence, leaf_hash)
      SELECT q.id, e.tenant_id, q.timestamp, e.service, e.ghost_id, e.shell_id, e.action, e.resource, e.result, e.reason,
        e.request_id, e.session_id, e.entities, e.metadata, e.producer, e.sequence, e.leaf_hash
      FROM public.audit_quarantine q, jsonb_populate_record(NULL::public.audit_log, q.event) e
      WHERE q.id = ANY (taken) ON CONFLICT DO NOTHING;
    DELETE FROM public.audit_quarantine WHERE id = ANY (taken);
    RETURN coalesce(cardinality(taken), 0);
  END $$`;

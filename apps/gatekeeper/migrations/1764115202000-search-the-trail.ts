import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo, grantToRuntime } from '#database';

/**
 * An index for each way to ask, by tenant first and newest first; the notary, who reads all tenants, has the one by time. Ghost, session and shell are asked through event_entities, which
 * has them anyway. A resource may be longer than an index entry: long ones are found by time, among their tenant's events.
 *
 * Full text cannot use an index under row-level security, because its operator is not leakproof. So it is asked of a function of the
 * owner's, which reads the months themselves, names the tenant of the transaction itself, and answers times and ids only: the rows are then
 * read under row-level security as ever. New words wait in a list of the index's, which is searched too; a writer that had to sort them in
 * would be several times slower, so `tidy_audit_text` does it beside.
 */
export class SearchTheTrail1764115202000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    const run = (sql: string): Promise<unknown> => queryRunner.query(sql);
    for (const sql of INDEXES) await run(sql);
    await run(`DROP INDEX audit_log_ghost_idx`);
    await run(ABOUT);
    await run(TEXT_SEARCH);
    await run(TIDY);
    for (const name of [...FUNCTIONS, TIDY_NAME]) await run(`REVOKE ALL ON FUNCTION ${name} FROM PUBLIC`);
    await grantToRuntime(queryRunner, 'EXECUTE', `FUNCTION ${TIDY_NAME}`);
    await grantTo(
      queryRunner,
      'reader',
      'EXECUTE',
      ...[...FUNCTIONS, 'audit_entities_of(text, text, text, text, jsonb)'].map((name) => `FUNCTION ${name}`),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const name of [...FUNCTIONS, TIDY_NAME]) await queryRunner.query(`DROP FUNCTION ${name}`);
    await queryRunner.query(`CREATE INDEX audit_log_ghost_idx ON audit_log (ghost_id, timestamp DESC, id DESC)`);
    await queryRunner.query(
      `DROP INDEX audit_log_tenant_idx, audit_log_action_idx, audit_log_resource_idx, audit_log_result_idx, audit_log_service_idx,
         audit_log_request_idx, audit_log_text_idx`,
    );
  }
}

/** What \`q\` searches. Written alike in the index and in the query, or the index is not used. */
const TEXT = `(to_tsvector('simple'::regconfig, reason) || jsonb_to_tsvector('simple'::regconfig, metadata, '["string", "numeric", "key"]'))`;

const INDEXES = [
  `CREATE INDEX audit_log_tenant_idx ON audit_log (tenant_id, timestamp DESC, id DESC)`,
  `CREATE INDEX audit_log_action_idx ON audit_log (tenant_id, action, timestamp DESC, id DESC)`,
  `CREATE INDEX audit_log_resource_idx ON audit_log (tenant_id, resource, timestamp DESC, id DESC) WHERE octet_length(resource) <= 1000`,
  `CREATE INDEX audit_log_result_idx ON audit_log (tenant_id, result, timestamp DESC, id DESC)`,
  `CREATE INDEX audit_log_service_idx ON audit_log (tenant_id, service, timestamp DESC, id DESC)`,
  `CREATE INDEX audit_log_request_idx ON audit_log (tenant_id, request_id, timestamp DESC, id DESC) WHERE request_id IS NOT NULL`,
  `CREATE INDEX audit_log_text_idx ON audit_log USING gin (${TEXT}) WITH (gin_pending_list_limit = 131072)`,
];

const FUNCTIONS = [
  'audit_is_about(text, text, text, text, text, text, jsonb)',
  'audit_text_search(text, jsonb, timestamptz, uuid, integer)',
];
const TIDY_NAME = 'tidy_audit_text(timestamptz)';

/** Whether an event is filed under an entity: event_entities finds candidates, the event itself has the last word. */
const ABOUT = `
  CREATE FUNCTION audit_is_about(
    kind text, id text, ghost_id text, session_id text, shell_id text, resource text, entities jsonb
  ) RETURNS boolean
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.audit_entities_of($3, $4, $5, $6, $7) e WHERE e.kind = $1 AND e.id = $2)
  $$`;

/**
 * Times and ids of the events whose reason and metadata match, newest first, month by month. \`filters\` has the names and values of
 * columns, \`from\`, \`to\`, and \`entity\` as kind and id; values only ever are parameters.
 */
const TEXT_SEARCH = `
  CREATE FUNCTION audit_text_search(q text, filters jsonb, before_time timestamptz, before_id uuid, most integer)
  RETURNS TABLE (event_time timestamptz, event_id uuid)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'
  SET enable_bitmapscan = on SET enable_sort = on AS $$
  DECLARE
    tenant text := current_setting('gravitas.tenant', true);
    query tsquery := websearch_to_tsquery('simple', q);
    earliest timestamptz := coalesce((filters ->> 'from')::timestamptz, '-infinity');
    latest timestamptz := coalesce((filters ->> 'to')::timestamptz, 'infinity');
    month record;
    found bigint := 0;
    more bigint;
  BEGIN
    IF tenant IS NULL OR tenant = '' OR numnode(query) = 0 THEN RETURN; END IF;
    FOR month IN SELECT * FROM public.audit_months('audit_log') m
      WHERE m.ends > earliest AND m.starts < latest AND (before_time IS NULL OR m.starts <= before_time)
      ORDER BY m.starts DESC
    LOOP
      RETURN QUERY EXECUTE format($query$
        SELECT timestamp, id FROM public.%I
        WHERE tenant_id = $1 AND ${TEXT} @@ $2 AND timestamp >= $3 AND timestamp < $4
          AND ($5 IS NULL OR (timestamp, id) < ($5, $6))
          AND ($8 ->> 'ghost_id' IS NULL OR ghost_id = $8 ->> 'ghost_id')
          AND ($8 ->> 'action' IS NULL OR action = $8 ->> 'action')
          AND ($8 ->> 'resource' IS NULL OR resource = $8 ->> 'resource')
          AND ($8 ->> 'result' IS NULL OR result = $8 ->> 'result')
          AND ($8 ->> 'service' IS NULL OR service = $8 ->> 'service')
          AND ($8 ->> 'session_id' IS NULL OR session_id = $8 ->> 'session_id')
          AND ($8 ->> 'request_id' IS NULL OR request_id = $8 ->> 'request_id')
          AND ($8 ->> 'shell_id' IS NULL OR shell_id = $8 ->> 'shell_id')
          AND ($8 -> 'entity' IS NULL OR public.audit_is_about($8 -> 'entity' ->> 'kind', $8 -> 'entity' ->> 'id',
            ghost_id, session_id, shell_id, resource, entities))
        ORDER BY timestamp DESC, id DESC LIMIT $7
      $query$, month.partition)
      USING tenant, query, earliest, latest, before_time, before_id, most - found, filters;
      GET DIAGNOSTICS more = ROW_COUNT;
      found := found + more;
      EXIT WHEN found >= most;
    END LOOP;
  END $$`;

/** Sorts the words of the months since `since` into their indexes. @returns pages that were waiting */
const TIDY = `
  CREATE FUNCTION tidy_audit_text(since timestamptz) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET maintenance_work_mem = '128MB' AS $$
  DECLARE
    index regclass;
    pages bigint := 0;
  BEGIN
    FOR index IN
      SELECT i.indexrelid FROM public.audit_months('audit_log') m
        JOIN pg_index i ON i.indrelid = to_regclass('public.' || m.partition)
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
      WHERE a.amname = 'gin' AND m.ends > since
    LOOP
      pages := pages + gin_clean_pending_list(index);
    END LOOP;
    RETURN pages;
  END $$`;

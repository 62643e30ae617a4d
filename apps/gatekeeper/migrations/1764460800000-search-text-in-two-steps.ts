import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** As the index on it is written, or the index is not used. */
const TEXT = `(to_tsvector('simple'::regconfig, reason) || jsonb_to_tsvector('simple'::regconfig, metadata, '["string", "numeric", "key"]'))`;

/** How many of a tenant's newest events of a month are looked at one by one before the index is asked. */
const NEWEST = 2000;

/**
 * A page of a word's newest events is either a short walk back from now, when the word is frequent, or a few rows of the text's index, when
 * it is rare. The planner cannot tell which, and with the wrong one a page of five million events takes half a minute. So both: the
 * newest events one by one, which finds a page of any word that at least every twentieth event has; and the rest by the index, which then has few to find.
 */
export class SearchTextInTwoSteps1764460800000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(textSearch(IN_TWO_STEPS));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(textSearch(AT_ONCE));
  }
}

/** What is asked of one month's partition. Filters have the names and values of columns; values only ever are parameters. */
const matches = (further = ''): string => `
        SELECT timestamp, id FROM public.%1$I
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
          ${further}`;
const PAGE = 'ORDER BY timestamp DESC, id DESC LIMIT $7';
const VALUES = 'tenant, query, earliest, latest, before_time, before_id, most - found, filters';

const AT_ONCE = `
      RETURN QUERY EXECUTE format($query$ ${matches()} ${PAGE} $query$, month.partition) USING ${VALUES};
      GET DIAGNOSTICS more = ROW_COUNT;
      found := found + more;`;

/** Materialized, so that the page's limit does not lead the planner to walk after all. */
const IN_TWO_STEPS = `
      EXECUTE format($query$
        SELECT timestamp, id FROM public.%I
        WHERE tenant_id = $1 AND timestamp >= $2 AND timestamp < $3 AND ($4 IS NULL OR (timestamp, id) < ($4, $5))
        ORDER BY timestamp DESC, id DESC OFFSET ${NEWEST} LIMIT 1
      $query$, month.partition) INTO last_time, last_id USING tenant, earliest, latest, before_time, before_id;
      RETURN QUERY EXECUTE format($query$ ${matches('AND ($9 IS NULL OR (timestamp, id) > ($9, $10))')} ${PAGE} $query$, month.partition)
        USING ${VALUES}, last_time, last_id;
      GET DIAGNOSTICS more = ROW_COUNT;
      found := found + more;
      IF last_time IS NOT NULL AND found < most THEN
        RETURN QUERY EXECUTE format($query$
          WITH hits AS MATERIALIZED (${matches('AND (timestamp, id) <= ($9, $10)')})
          SELECT timestamp, id FROM hits ${PAGE} $query$, month.partition)
        USING ${VALUES}, last_time, last_id;
        GET DIAGNOSTICS more = ROW_COUNT;
        found := found + more;
      END IF;`;

/** Times and ids of the events whose reason and metadata match, newest first, month by month. */
function textSearch(step: string): string {
  return `
  CREATE OR REPLACE FUNCTION audit_text_search(q text, filters jsonb, before_time timestamptz, before_id uuid, most integer)
  RETURNS TABLE (event_time timestamptz, event_id uuid)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'
  SET enable_bitmapscan = on SET enable_sort = on AS $$
  DECLARE
    tenant text := current_setting('gravitas.tenant', true);
    query tsquery := websearch_to_tsquery('simple', q);
    earliest timestamptz := coalesce((filters ->> 'from')::timestamptz, '-infinity');
    latest timestamptz := coalesce((filters ->> 'to')::timestamptz, 'infinity');
    month record;
    last_time timestamptz;
    last_id uuid;
    found bigint := 0;
    more bigint;
  BEGIN
    IF tenant IS NULL OR tenant = '' OR numnode(query) = 0 THEN RETURN; END IF;
    FOR month IN SELECT * FROM public.audit_months('audit_log') m
      WHERE m.ends > earliest AND m.starts < latest AND (before_time IS NULL OR m.starts <= before_time)
      ORDER BY m.starts DESC
    LOOP${step}
      EXIT WHEN found >= most;
    END LOOP;
  END $$`;
}

import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo, grantToRuntime, quotedRole } from '#database';

/**
 * Who and what an event is about, in a table of its own that is partitioned as the trail is, and months that are made in small steps.
 *
 * `audit_month_step(month)` does the next step that a month needs and says which; null when it needs none. Each call is a transaction,
 * so whatever ends between two of them is taken up by the next: a table is made apart, with the indexes and a CHECK of the month's
 * bounds; it is attached, which then takes neither a scan nor an ACCESS EXCLUSIVE lock on the parent; the CHECK is dropped.
 * Within a month an event's id is unique whatever its time, which the partitioned table's own key (id, timestamp) cannot say.
 */
export class MonthsInSteps1764115200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    const run = (sql: string): Promise<unknown> => queryRunner.query(sql);
    await run(`
      CREATE TABLE event_entities (
        tenant_id text        NOT NULL,
        kind      text        NOT NULL,
        id        text        NOT NULL,
        timestamp timestamptz NOT NULL,
        event_id  uuid        NOT NULL,
        CONSTRAINT event_entities_pkey PRIMARY KEY (tenant_id, kind, id, timestamp, event_id)
      ) PARTITION BY RANGE (timestamp)`);
    // Filled by a later step, month by month; retention drops no month that is not here.
    await run(`
      CREATE TABLE audit_seals (
        month     date        PRIMARY KEY CHECK (extract(day FROM month) = 1),
        sealed_at timestamptz NOT NULL DEFAULT now()
      )`);
    for (const sql of [MONTHS, BOUNDS, STEP, ENSURE, ENTITIES]) await run(sql);
    for (const name of FUNCTIONS) await run(`REVOKE ALL ON FUNCTION ${name} FROM PUBLIC`);
    await run(UNIQUE_IDS);
    await run(`
      DO $$ DECLARE month timestamptz;
      BEGIN
        FOR month IN SELECT starts FROM audit_months('audit_log') LOOP
          WHILE audit_month_step(month) IS NOT NULL LOOP END LOOP;
        END LOOP;
      END $$`);
    await backfill(queryRunner);
    await protect(queryRunner);
    for (const name of FUNCTIONS) await grantToRuntime(queryRunner, 'EXECUTE', `FUNCTION ${name}`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const run = (sql: string): Promise<unknown> => queryRunner.query(sql);
    await run(`DROP POLICY IF EXISTS owner_adds ON audit_log`);
    await run(`DROP TABLE event_entities, audit_seals`);
    await run(`
      DO $$ DECLARE index record;
      BEGIN
        FOR index IN SELECT indexrelid::regclass AS name FROM pg_index
          JOIN pg_inherits ON inhrelid = indrelid JOIN pg_class c ON c.oid = indexrelid
          WHERE inhparent = 'audit_log'::regclass AND c.relname ~ '^audit_log_\\d{4}_\\d{2}_id_once$'
        LOOP
          EXECUTE format('DROP INDEX %s', index.name);
        END LOOP;
      END $$`);
    for (const name of [...FUNCTIONS].reverse().filter((each) => !each.startsWith('ensure')))
      await run(`DROP FUNCTION ${name}`);
    await run(FORMER_ENSURE);
  }
}

const FUNCTIONS = [
  'audit_months(text)',
  'audit_month_bounds(timestamptz)',
  'audit_month_step(timestamptz)',
  'ensure_audit_partitions(integer, integer)',
  'audit_entities_of(text, text, text, text, jsonb)',
];

/** The months that a table has now; one that is being detached is none any more. */
const MONTHS = `
  CREATE FUNCTION audit_months(parent text) RETURNS TABLE (partition text, starts timestamptz, ends timestamptz)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT c.relname::text, (bounds.found)[1]::timestamptz, (bounds.found)[2]::timestamptz
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
      regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$re$) AS bounds (found)
    WHERE i.inhparent = to_regclass('public.' || quote_ident(parent)) AND NOT i.inhdetachpending AND bounds.found IS NOT NULL
    ORDER BY 2
  $$`;

const BOUNDS = `
  CREATE FUNCTION audit_month_bounds(month timestamptz, OUT starts timestamptz, OUT ends timestamptz, OUT suffix text)
  LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
  BEGIN
    starts := date_trunc('month', month);
    ends := starts + interval '1 month';
    suffix := to_char(starts, 'YYYY_MM');
  END $$`;

const STEP = `
  CREATE FUNCTION audit_month_step(month timestamptz) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
  DECLARE
    b record;
    parent text;
    partition text;
    bound text;
  BEGIN
    SELECT * INTO b FROM public.audit_month_bounds(month);
    IF b.starts NOT BETWEEN '2000-01-01' AND '2199-12-01' THEN
      RAISE EXCEPTION 'no month of the trail: %', month;
    END IF;
    -- Whoever calls at the same time waits, and then finds the step done; the lock ends with the transaction.
    PERFORM pg_advisory_xact_lock(hashtext('gravitas audit partitions'));
    -- The entities first: a month of the trail never is without them.
    FOREACH parent IN ARRAY ARRAY['event_entities', 'audit_log'] LOOP
      partition := parent || '_' || b.suffix;
      bound := partition || '_month';
      IF to_regclass('public.' || partition) IS NULL THEN
        EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', partition, parent);
        IF parent = 'audit_log' THEN
          EXECUTE format('CREATE UNIQUE INDEX %I ON public.%I (id)', partition || '_id_once', partition);
        END IF;
        EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I CHECK (timestamp >= %L AND timestamp < %L)',
          partition, bound, b.starts, b.ends);
        RETURN 'made ' || partition;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('public.' || partition)) THEN
        EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
          parent, partition, b.starts, b.ends);
        RETURN 'attached ' || partition;
      END IF;
      IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('public.' || partition) AND conname = bound) THEN
        EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT %I', partition, bound);
        RETURN 'finished ' || partition;
      END IF;
    END LOOP;
    RETURN NULL;
  END $$`;

/** All steps of the months around now, in one transaction. */
const ENSURE = `
  CREATE OR REPLACE FUNCTION ensure_audit_partitions(months_back integer, months_ahead integer) RETURNS SETOF text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
  DECLARE
    month timestamptz;
    step text;
  BEGIN
    IF months_back NOT BETWEEN 0 AND 120 OR months_ahead NOT BETWEEN 0 AND 120 THEN
      RAISE EXCEPTION 'months_back and months_ahead must be from 0 to 120';
    END IF;
    FOR offset_months IN -months_back .. months_ahead LOOP
      month := date_trunc('month', now()) + make_interval(months => offset_months);
      LOOP
        step := public.audit_month_step(month);
        EXIT WHEN step IS NULL;
        IF step LIKE 'finished audit_log%' THEN
          RETURN NEXT substr(step, 10);
        END IF;
      END LOOP;
    END LOOP;
  END $$`;

/**
 * Under what an event is found, the same as \`entitiesOf\` in libs/audit: what it names, its ghost, session and shell by their kind, and
 * a ghost, session or resource that is written as \`kind:id\` by that too. What is too long for an index goes by its digest.
 */
const ENTITIES = `
  CREATE FUNCTION audit_entities_of(ghost_id text, session_id text, shell_id text, resource text, entities jsonb)
  RETURNS TABLE (kind text, id text)
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.kind, CASE WHEN octet_length(f.id) <= 1000 THEN f.id ELSE 'sha256:' || encode(sha256(convert_to(f.id, 'UTF8')), 'hex') END
    FROM (
      SELECT 'ghost' AS kind, $1 AS id WHERE $1 <> ''
      UNION SELECT 'session', $2 WHERE $2 <> ''
      UNION SELECT 'shell', $3 WHERE $3 <> ''
      UNION SELECT entity ->> 'kind', entity ->> 'id' FROM jsonb_array_elements($5) AS entity
      UNION SELECT split_part(written, ':', 1), substr(written, strpos(written, ':') + 1)
        FROM unnest(ARRAY[$1, $2, $4]) AS written WHERE written ~ '^[a-z][a-z0-9_-]{0,49}:.'
    ) AS f
  $$`;

/** The months that were there before. One whose ids are not unique already stays as it is. */
const UNIQUE_IDS = `
  DO $$ DECLARE partition text;
  BEGIN
    FOR partition IN SELECT m.partition FROM audit_months('audit_log') m LOOP
      BEGIN
        EXECUTE format('CREATE UNIQUE INDEX %I ON public.%I (id)', partition || '_id_once', partition);
      EXCEPTION WHEN unique_violation THEN
        RAISE WARNING '% has ids that occur more than once; it keeps them', partition;
      END;
    END LOOP;
  END $$`;

/** The owner sees no row of the trail while row-level security holds for it too. */
async function backfill(queryRunner: QueryRunner): Promise<void> {
  await queryRunner.query('ALTER TABLE audit_log NO FORCE ROW LEVEL SECURITY');
  await queryRunner.query(`
    INSERT INTO event_entities (tenant_id, kind, id, timestamp, event_id)
    SELECT tenant_id, e.kind, e.id, timestamp, a.id
    FROM audit_log a, audit_entities_of(ghost_id, session_id, shell_id, resource, entities) e`);
  await queryRunner.query('ALTER TABLE audit_log FORCE ROW LEVEL SECURITY');
}

async function protect(queryRunner: QueryRunner): Promise<void> {
  await queryRunner.query('ALTER TABLE event_entities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
  const reader = await quotedRole(queryRunner, 'reader');
  if (reader !== undefined)
    await queryRunner.query(`
      CREATE POLICY tenant ON event_entities FOR SELECT TO ${reader}
      USING (tenant_id = current_setting('gravitas.tenant', true))`);
  // For the functions that bring rows in: the owner may add, and still sees nothing.
  for (const table of ['audit_log', 'event_entities'])
    await queryRunner.query(`CREATE POLICY owner_adds ON ${table} FOR INSERT TO CURRENT_USER WITH CHECK (true)`);
  await grantToRuntime(queryRunner, 'INSERT', 'event_entities');
  await grantTo(queryRunner, 'reader', 'SELECT', 'event_entities');
  await grantTo(queryRunner, 'notary', 'SELECT', 'event_entities');
  await grantTo(queryRunner, 'notary', 'SELECT, INSERT', 'audit_seals');
}

const FORMER_ENSURE = `
  CREATE OR REPLACE FUNCTION ensure_audit_partitions(months_back integer, months_ahead integer) RETURNS SETOF text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
  DECLARE
    first_month timestamptz := date_trunc('month', now());
    month timestamptz;
    partition text;
  BEGIN
    IF months_back NOT BETWEEN 0 AND 120 OR months_ahead NOT BETWEEN 0 AND 120 THEN
      RAISE EXCEPTION 'months_back and months_ahead must be from 0 to 120';
    END IF;
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
  END $$`;

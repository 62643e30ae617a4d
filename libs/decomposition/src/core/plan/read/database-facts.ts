import type pg from 'pg';

/** One database, and the server it is on. */
export interface DatabaseFacts {
  database: string;
  /** False: it is to be made; encoding and collation are then those that it would get. */
  exists: boolean;
  version: string;
  versionNumber: number;
  /** `system_identifier`; null when the administrator may not know it. */
  cluster: string | null;
  encoding: string;
  /** Provider, locale and version, in one text. */
  collation: string;
  settings: ServerSettings;
  inUse: { slots: number; senders: number; origins: number; workers: number };
  rights: {
    superuser: boolean;
    bypassRls: boolean;
    replication: boolean;
    subscribe: boolean;
    /** May execute pg_replication_origin_advance, in the database that was asked. */
    advance: boolean;
    /** May SET session_replication_role. */
    replicaRole: boolean;
  };
  /** Extensions that the server offers. */
  extensions: ReadonlySet<string>;
}

export interface ServerSettings {
  walLevel: string;
  slots: number;
  senders: number;
  origins: number;
  workers: number;
  /** `max_slot_wal_keep_size`, as it is set; -1 is no limit. */
  slotWalKeepSize: string;
  /** `idle_replication_slot_timeout`, as it is set; 0 is none, and what older servers have. */
  idleSlotTimeout: string;
}

/** The oldest that the tool knows. */
export const OLDEST_VERSION = 150_000;

const FACTS = `
  SELECT current_setting('server_version') AS version, d.datname IS NOT DISTINCT FROM $1 AS exists,
    pg_encoding_to_char(d.encoding) AS encoding,
    concat_ws(' ', CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' ELSE 'builtin' END,
      CASE WHEN d.datlocprovider = 'c' THEN concat_ws('/', d.datcollate, d.datctype)
           ELSE coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') END, d.datcollversion) AS collation,
    json_build_object(
      'walLevel', current_setting('wal_level'),
      'slots', current_setting('max_replication_slots')::int,
      'senders', current_setting('max_wal_senders')::int,
      'origins', coalesce(current_setting('max_active_replication_origins', true), current_setting('max_replication_slots'))::int,
      'workers', least(current_setting('max_logical_replication_workers')::int, current_setting('max_worker_processes')::int),
      'slotWalKeepSize', current_setting('max_slot_wal_keep_size'),
      'idleSlotTimeout', coalesce(current_setting('idle_replication_slot_timeout', true), '0')) AS settings,
    json_build_object(
      'slots', (SELECT count(*) FROM pg_replication_slots),
      'senders', (SELECT count(*) FROM pg_stat_replication),
      'origins', (SELECT count(*) FROM pg_replication_origin),
      'workers', (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL)) AS "inUse",
    json_build_object(
      'superuser', r.rolsuper, 'bypassRls', r.rolbypassrls, 'replication', r.rolreplication,
      'subscribe', CASE WHEN to_regrole('pg_create_subscription') IS NULL THEN false
                        ELSE pg_has_role(to_regrole('pg_create_subscription'), 'USAGE') END,
      'advance', has_function_privilege('pg_replication_origin_advance(text, pg_lsn)', 'EXECUTE'),
      'replicaRole', has_parameter_privilege('session_replication_role', 'SET')) AS rights,
    ARRAY(SELECT name::text FROM pg_available_extensions) AS extensions
  FROM pg_roles r CROSS JOIN pg_database d
  WHERE r.rolname = current_user AND d.datname IN ($1, 'template1') ORDER BY d.datname = 'template1' LIMIT 1`;

const NO_FACTS = {
  encoding: '',
  collation: '',
  settings: { walLevel: '', slots: 0, senders: 0, origins: 0, workers: 0, slotWalKeepSize: '-1', idleSlotTimeout: '0' },
  inUse: { slots: 0, senders: 0, origins: 0, workers: 0 },
  rights: {
    superuser: false,
    bypassRls: false,
    replication: false,
    subscribe: false,
    advance: false,
    replicaRole: false,
  },
  extensions: new Set<string>(),
};

interface Row extends Omit<DatabaseFacts, 'extensions'> {
  extensions: string[];
}

/** Of a server that is older than `OLDEST_VERSION` only the version is told. @param database which one of the pool's server */
export async function readDatabaseFacts(pool: pg.Pool, database: string): Promise<DatabaseFacts> {
  const { rows: versions } = await pool.query<{ version: string; number: number }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number`,
  );
  const { version, number: versionNumber } = versions[0]!;
  const cluster = await readCluster(pool);
  const base = { database, version, versionNumber, cluster };
  if (versionNumber < OLDEST_VERSION) return { ...base, exists: true, ...NO_FACTS };
  const { rows } = await pool.query<Row>(FACTS, [database]);
  const { extensions, ...facts } = rows[0]!;
  return { ...facts, ...base, extensions: new Set(extensions) };
}

/** Null when the administrator may not know it. */
export async function readCluster(pool: pg.Pool): Promise<string | null> {
  try {
    const { rows } = await pool.query<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()');
    return rows[0]!.id;
  } catch (error) {
    if ((error as { code?: string }).code === '42501') return null;
    throw error;
  }
}

import pg from 'pg';
import { type Query } from './log-tables.js';
import { DatabaseLog } from './database-log.js';
import { type StoredSeal } from './month-seal.js';
import { type Pending, type Trail } from './trail.js';

export interface DatabaseTrailOptions {
  /** Of a role that sees all tenants: the notary, or a superuser. */
  url: string;
  /** This tenant only. */
  tenant?: string | undefined;
  /** Milliseconds; looking for events in no leaf reads the whole trail once. */
  statementTimeoutMs?: number;
}

interface Unlogged extends Pending {
  due: number;
  example: string | null;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 3_600_000;
/** A table, a column, a function. */
const NO_SUCH_THING = new Set(['42P01', '42703', '42883']);
const NONE: Pending = { events: 0, oldest: null };
/** A row's values as text: a Date has no microseconds, a number no 64 bits. */
const AS_TEXT = { getTypeParser: (oid: number) => (oid === Number(pg.types.builtins.BYTEA) ? bytes : asIs) };

/**
 * Events that no leaf names. Those that should be in one by now are `due`: what the sequencer has seen; what came past the service, so
 * without a hash after there was a log; and what names a transaction that has not begun, which the sequencer would never see. The last
 * cannot be told of a copy in another cluster, whose transactions have other numbers.
 */
const UNLOGGED = `
  SELECT tenant_id, count(*) FILTER (WHERE due) AS due, min(id::text) FILTER (WHERE due) AS example,
         count(*) FILTER (WHERE NOT due) AS events,
         to_char(min(timestamp) FILTER (WHERE NOT due) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS oldest
  FROM (
    SELECT a.tenant_id, a.id, a.timestamp,
           pg_visible_in_snapshot(a.xid, s.seen)
           OR coalesce(pg_visible_in_snapshot(a.xid, s.target)
              AND (a.xid, a.timestamp, a.id) <= (s.after_xid, s.after_time, s.after_id), false)
           OR (a.leaf_hash IS NULL AND a.xid > s.adopted)
           OR (NOT s.copied AND NOT pg_visible_in_snapshot(a.xid, s.now)) AS due
    FROM audit_log a CROSS JOIN (
      SELECT *, pg_snapshot_xmax(seen) > pg_snapshot_xmax(now) AS copied FROM tlog_sequencer, audit_snapshot() AS now
    ) s
    WHERE ($1::text IS NULL OR a.tenant_id = $1) AND NOT EXISTS (
      SELECT FROM (
        SELECT tenant_id, unnest(ids) AS id, unnest(times) AS time FROM tlog_leaves
        WHERE $1::text IS NULL OR tenant_id = $1
      ) named
      WHERE named.tenant_id = a.tenant_id AND named.id = a.id AND named.time = a.timestamp)
  ) AS unlogged GROUP BY tenant_id`;

const TENANTS = `
  SELECT tenant_id FROM tlog_trees UNION SELECT tenant_id FROM tlog_leaves UNION SELECT tenant_id FROM tlog_tiles
  UNION SELECT tenant_id FROM tlog_checkpoints`;

/** Months that are there; one that is being detached is not any more. */
const MONTHS = `
  SELECT to_char(starts, 'YYYY-MM') AS month
  FROM pg_inherits JOIN pg_class ON oid = inhrelid,
    regexp_match(pg_get_expr(relpartbound, oid), 'FROM \\(''([^'']+)''\\)') AS bound (found),
    CAST((found)[1] AS timestamptz) AS starts
  WHERE inhparent = 'audit_log'::regclass AND NOT inhdetachpending`;

/** The logs of all tenants in a database, read in one transaction, so at one moment. Changes nothing. */
export class DatabaseTrail implements Trail {
  private constructor(
    private readonly client: pg.Client,
    private readonly query: Query,
    /** The log's verifier key, as the sequencer noted it: null before the first event. Not to be believed. */
    readonly key: string | null,
    private readonly names: readonly string[],
    private readonly unlogged: ReadonlyMap<string, Unlogged>,
    private readonly months: ReadonlySet<string>,
    private readonly stored: readonly StoredSeal[],
  ) {}

  /** @throws Error when it cannot be read whole: then nobody can tell */
  static async open({
    url,
    tenant,
    statementTimeoutMs = STATEMENT_TIMEOUT_MS,
  }: DatabaseTrailOptions): Promise<DatabaseTrail> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'gravitas-audit-verify',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: statementTimeoutMs,
      keepAlive: true,
    });
    // The query under way reports it.
    client.on('error', () => undefined);
    const query: Query = async (sql, values) =>
      (await client.query({ text: sql, values: [...values], types: AS_TEXT })).rows as never;
    try {
      await client.connect();
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      // A role that row-level security holds would see too little, and take the rest for deleted: with this it gets an error.
      await client.query(
        `SET LOCAL row_security = off; SET LOCAL search_path = pg_catalog, public; SET LOCAL timezone = 'UTC'; SET LOCAL statement_timeout = ${statementTimeoutMs}`,
      );
      const [sequencer] = await query<{ key: string | null }>('SELECT key FROM tlog_sequencer', []);
      if (!sequencer) throw new Error('its row of tlog_sequencer is gone, which says how far the log has come');
      const unlogged = await readUnlogged(query, tenant);
      const names = await query<{ tenant_id: string }>(TENANTS, []);
      const months = await query<{ month: string }>(MONTHS, []);
      const seals = await query<StoredSeal>(
        `SELECT to_char(month, 'YYYY-MM') AS month, statement, note FROM audit_seals
         WHERE statement IS NOT NULL AND note IS NOT NULL ORDER BY 1`,
        [],
      );
      // Each leaf looks its event up: a join would read the whole trail for a few thousand of them.
      await client.query(
        'SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off',
      );
      return new DatabaseTrail(
        client,
        query,
        sequencer.key,
        names.map(({ tenant_id }) => tenant_id),
        unlogged,
        new Set(months.map(({ month }) => month)),
        seals,
      );
    } catch (error) {
      await client.end().catch(() => undefined);
      throw explained(error);
    }
  }

  tenants(): readonly string[] {
    return [...new Set([...this.names, ...this.unlogged.keys()])];
  }

  log(tenant: string): DatabaseLog {
    const { due = 0, example = null } = this.unlogged.get(tenant) ?? {};
    return new DatabaseLog(this.query, tenant, {
      hasMonth: (month) => this.months.has(month),
      unlogged: due > 0 && example !== null ? [example] : [],
    });
  }

  hasMonth(month: string): boolean {
    return this.months.has(month);
  }

  seals(): readonly StoredSeal[] {
    return this.stored;
  }

  pending(tenant: string): Pending {
    const { events, oldest } = this.unlogged.get(tenant) ?? NONE;
    return { events, oldest };
  }

  /** Events of a month that no leaf names, or that wait outside of the trail. */
  async unsequenced(month: string): Promise<number> {
    const [start, end] = [`${month}-01`, `('${month}-01'::date + interval '1 month')`];
    const within = `timestamp >= '${start}' AND timestamp < ${end}`;
    const [quarantine] = await this.query<{ there: string }>(
      `SELECT to_regclass('audit_quarantine') IS NOT NULL AS there`,
      [],
    );
    const [waiting] =
      quarantine?.there === 't'
        ? await this.query<{ count: string }>(`SELECT count(*) AS count FROM audit_quarantine WHERE ${within}`, [])
        : [];
    const [loose] = await this.query<{ count: string }>(
      `SELECT count(*) AS count FROM audit_log a CROSS JOIN tlog_sequencer s
       WHERE ${within} AND NOT pg_visible_in_snapshot(a.xid, s.seen)
         AND NOT coalesce(pg_visible_in_snapshot(a.xid, s.target)
           AND (a.xid, a.timestamp, a.id) <= (s.after_xid, s.after_time, s.after_id), false)`,
      [],
    );
    return Number(waiting?.count ?? 0) + Number(loose?.count ?? 0);
  }

  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}

async function readUnlogged(query: Query, tenant: string | undefined): Promise<Map<string, Unlogged>> {
  const rows = await query<{
    tenant_id: string;
    due: string;
    example: string | null;
    events: string;
    oldest: string | null;
  }>(UNLOGGED, [tenant ?? null]);
  return new Map(
    rows.map(({ tenant_id, due, example, events, oldest }) => [
      tenant_id,
      { due: Number(due), example, events: Number(events), oldest },
    ]),
  );
}

function explained(error: unknown): unknown {
  const { code } = error as { code?: string };
  if (NO_SUCH_THING.has(code ?? ''))
    return new Error('This database has no transparency log, or one of an older release: run the gatekeeper once.', {
      cause: error,
    });
  return error;
}

function asIs(value: string): string {
  return value;
}

/** As PostgreSQL writes it: `\x` and hexadecimal digits. */
function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex');
}

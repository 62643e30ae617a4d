import type pg from 'pg';
import { openSession } from '#database';
import { errorMessage } from '#errors';
import { monthName, monthOf, monthsBetween } from './month.js';
import { readMonths, type MonthsState } from './months-state.js';

export interface MonthMaintenanceOptions {
  /** A direct connection, not through a pooler. Making months takes no right on tables; detaching and dropping take the owner's. */
  url: string;
  months: {
    /** Months kept ahead of this one. */
    ahead: number;
    /** Months before this one that are made where they are missing. */
    back: number;
    /** Months before this one that are kept; 0: all. */
    retention: number;
  };
  log: { info: (details: object, message: string) => void; warn: (details: object, message: string) => void };
  now?: () => Date;
  /** Before each statement that changes something, with what it does: for faults. */
  onStep?: (step: string, client: pg.Client) => Promise<void> | void;
}

/** Any constant will do: advisory locks are per database. */
const LOCK_KEY = 7_217_018_002;
/** A statement that waits holds others up that come after it; what is not done is done the next time. */
const LOCK_TIMEOUT = '10s';
/** DETACH CONCURRENTLY waits for every transaction that reads the trail. */
const STATEMENT_TIMEOUT = '5min';
const CLIENT_TIMEOUT_MS = 6 * 60_000;
const RELEASE_BATCH = 1000;
const TABLES = ['audit_log', 'event_entities'] as const;

interface Table {
  name: string;
  parent: string | null;
  pending: boolean | null;
}

/**
 * Keeps the months of the trail: makes those around now, moves quarantined events into months that are there by now, and detaches and
 * drops what retention gives up and the transparency log has sealed, all of it. One instance at a time, under an advisory lock that ends
 * with the connection. Every step is a statement of its own, looks at what is there and not at what was done before, and so goes on from wherever the
 * last run was cut off.
 */
export class MonthMaintenance {
  constructor(private readonly options: MonthMaintenanceOptions) {}

  /** @returns the months as they are afterwards, and whether it was this instance's turn */
  async run(): Promise<MonthsState & { done: boolean }> {
    const client = await openSession({
      connectionString: this.options.url,
      application_name: 'gravitas-gatekeeper-months',
      connectionTimeoutMillis: 5000,
      query_timeout: CLIENT_TIMEOUT_MS,
      keepAlive: true,
    });
    try {
      const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [LOCK_KEY]);
      const done = rows[0]?.mine === true;
      if (done) await this.maintain(client);
      return { ...(await readMonths((sql) => client.query(sql), this.now())), done };
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private now(): Date {
    return this.options.now?.() ?? new Date();
  }

  private async maintain(client: pg.Client): Promise<void> {
    await client.query(`SET lock_timeout = '${LOCK_TIMEOUT}'; SET statement_timeout = '${STATEMENT_TIMEOUT}'`);
    await this.makeMonths(client);
    await this.release(client);
    await this.finishDetaching(client);
    await this.retire(client);
  }

  /** The nearest first, should anything go wrong on the way. What retention gives up is not made again. */
  private async makeMonths(client: pg.Client): Promise<void> {
    const { ahead, back, retention } = this.options.months;
    const behind = retention === 0 ? back : Math.min(back, retention);
    const offsets = [...range(0, ahead), ...range(1, behind).map((offset) => -offset)];
    for (const offset of offsets) await this.makeMonth(client, monthOf(this.now(), offset));
  }

  /** From wherever it is: made, or detached, or half of that. */
  private async makeMonth(client: pg.Client, month: Date): Promise<void> {
    for (;;) {
      await this.options.onStep?.(`make ${monthName(month)}`, client);
      const { rows } = await client.query<{ step: string | null }>('SELECT audit_month_step($1) AS step', [month]);
      const step = rows[0]?.step;
      if (!step) return;
      this.options.log.info({ step }, 'audit months');
    }
  }

  private async release(client: pg.Client): Promise<void> {
    let released = 0;
    for (let more = true; more;) {
      await this.options.onStep?.('release quarantined events', client);
      const { rows } = await client.query<{ count: number }>('SELECT release_quarantined($1) AS count', [
        RELEASE_BATCH,
      ]);
      released += rows[0]?.count ?? 0;
      more = rows[0]?.count === RELEASE_BATCH;
    }
    if (released > 0) this.options.log.info({ released }, 'quarantined events are in the trail now');
  }

  /** Finishes what an interrupted DETACH CONCURRENTLY has begun: until then no other one can begin. */
  private async finishDetaching(client: pg.Client): Promise<void> {
    for (const { name, parent, pending } of await this.tables(client))
      if (parent !== null && pending)
        await this.change(client, `ALTER TABLE ${parent} DETACH PARTITION ${name} FINALIZE`);
  }

  private async retire(client: pg.Client): Promise<void> {
    const { retention } = this.options.months;
    if (retention === 0) return;
    const tables = (await this.tables(client)).filter(
      ({ name }) => monthsBetween(monthOfTable(name), this.now()) > retention,
    );
    if (tables.length > 0 && (await isMoving(client))) {
      this.options.log.info(
        { months: tables.length },
        'audit retention: waits until the move to another database is completed',
      );
      return;
    }
    if (tables.length > 0 && !(await isOwner(client))) {
      this.options.log.warn({}, 'audit retention: only the owner may drop months; set GATEKEEPER_MIGRATION_URL');
      return;
    }
    const kept: Record<string, string> = {};
    for (const { name, parent } of tables) {
      const month = monthName(monthOfTable(name));
      // Entities go after their events, and not without them.
      if (month in kept) continue;
      const why = async (): Promise<string | undefined> =>
        name.startsWith('audit_log') ? whyKept(client, month, name) : undefined;
      let attached = parent !== null;
      let reason = await why();
      if (reason === undefined && attached) {
        await this.change(client, `ALTER TABLE ${parent} DETACH PARTITION ${name} CONCURRENTLY`);
        attached = false;
        // What came until then is in it; from then on events of this month go to the quarantine.
        reason = await why();
      }
      if (reason === undefined) await this.change(client, `DROP TABLE ${name}`);
      else {
        kept[month] = reason;
        if (!attached) await this.makeMonth(client, monthOfTable(name));
      }
    }
    if (Object.keys(kept).length > 0) this.options.log.info({ months: kept }, 'past their retention, and kept');
  }

  private async change(client: pg.Client, statement: string): Promise<void> {
    await this.options.onStep?.(statement, client);
    await client.query(statement).catch((error: unknown) => {
      throw new Error(`audit months: ${statement}: ${errorMessage(error)}; the next run tries again`, { cause: error });
    });
    this.options.log.info({ step: statement }, 'audit months');
  }

  /** Every month's tables, whether attached or not, oldest first, the trail's before its entities'. */
  private async tables(client: pg.Client): Promise<Table[]> {
    const { rows } = await client.query<Table>(
      `SELECT c.relname AS name, i.inhparent::regclass::text AS parent, i.inhdetachpending AS pending
       FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname ~ $1
       ORDER BY right(c.relname, 7), c.relname`,
      [`^(${TABLES.join('|')})_\\d{4}_\\d{2}$`],
    );
    return rows;
  }
}

/**
 * Why a month may not be dropped; undefined when the transparency log has closed it by a signed statement, and that is of all that is
 * there: what came after it would be gone without a trace.
 */
async function whyKept(client: pg.Client, month: string, table: string): Promise<string | undefined> {
  const { rows: seals } = await client.query<{ events: string }>(
    `SELECT coalesce((SELECT sum((value ->> 'events')::bigint) FROM jsonb_each(statement::jsonb -> 'tenants')), 0)::text AS events
     FROM audit_seals WHERE month = $1::date AND note IS NOT NULL`,
    [`${month}-01`],
  );
  if (seals.length === 0) return `not sealed: npm run audit:seal -- --month ${month}`;
  const { rows } = await client.query<{ events: string }>(`SELECT count(*)::text AS events FROM ${table}`);
  const [sealed, there] = [seals[0]!.events, rows[0]!.events];
  if (sealed === there) return undefined;
  return `sealed with ${sealed} events, and has ${there}: npm run audit:seal -- --month ${month} seals it again`;
}

/**
 * Whether a move has begun and is not completed (libs/decomposition): what is dropped here would not be dropped there. On the side that
 * is left its beats are kept; the other one keeps the state of the move for good, and its fence until the end.
 */
async function isMoving(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ moving: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'audit_log'::regclass AND tgname LIKE 'decomposition\\_%')
       OR (array_agg(relname) @> '{beats}' AND NOT array_agg(relname) @> '{moves}') AS moving
     FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'decomposition')`,
  );
  return rows[0]?.moving ?? false;
}

async function isOwner(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ owner: boolean }>(
    `SELECT pg_has_role(relowner, 'USAGE') AS owner FROM pg_class WHERE oid = 'audit_log'::regclass`,
  );
  return rows[0]?.owner ?? false;
}

function monthOfTable(name: string): Date {
  const [, year, month] = /(\d{4})_(\d{2})$/.exec(name) ?? [];
  return new Date(Date.UTC(Number(year), Number(month) - 1));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

import pg from 'pg';
import { type Side } from '#decomposition';
import { type Shop, SERVICE, TABLES } from './shop.js';

const TIMEOUT_MS = 3000;

/** A connection of its own to one side, made again whenever it breaks. */
class Line {
  private client: pg.Client | undefined;

  constructor(private readonly url: string) {}

  /** @returns undefined when it cannot be told just now */
  async ask<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<R[] | undefined> {
    try {
      this.client ??= await connect(this.url);
      return (await this.client.query<R>(sql, values)).rows;
    } catch {
      await this.close();
      return undefined;
    }
  }

  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'probe',
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** A table is open when its service could write to it: it is there, in its place, with the right, and without a fence. */
const OPEN = `
  SELECT c.relname AS name FROM pg_class c WHERE c.oid = ANY (SELECT to_regclass('public.' || t) FROM unnest($1::text[]) t)
    AND has_table_privilege($2, c.oid, 'INSERT')
    AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'decomposition_fence' AND t.tgenabled = 'O')`;

/** Looks on, as somebody who knows nothing of the tool but what it leaves in the databases. */
export class Probe {
  private readonly lines: Readonly<Record<Side, Line>>;

  constructor(shop: Shop) {
    this.lines = { source: new Line(shop.urls.source), target: new Line(shop.urls.target) };
  }

  /** Tables that take writes on that side; undefined when it cannot be told. */
  async open(side: Side): Promise<string[] | undefined> {
    return (await this.lines[side].ask<{ name: string }>(OPEN, [[...TABLES], 'shop']))?.map(({ name }) => name);
  }

  /**
   * Tables that took writes on both sides at one moment. Two servers cannot be asked at once: the source is asked before and after the
   * target, and counts as open when it was both times. Undefined when it cannot be told.
   */
  async openOnBoth(): Promise<string[] | undefined> {
    const before = await this.open('source');
    if (!before || before.length === 0) return before;
    const target = await this.open('target');
    if (!target || target.length === 0) return target;
    const after = await this.open('source');
    return after && target.filter((name) => before.includes(name) && after.includes(name));
  }

  /** How many steps of a verb the journal has. */
  async steps(verb: string): Promise<number> {
    const rows = await this.lines.target.ask<{ count: number }>(
      'SELECT count(*)::int AS count FROM decomposition.journal WHERE service = $1 AND verb = $2',
      [SERVICE, verb],
    );
    return rows?.[0]?.count ?? 0;
  }

  /** Whether a run of the tool is connected to either server. */
  async isConnected(): Promise<boolean> {
    for (const line of Object.values(this.lines)) {
      const rows = await line.ask(`SELECT FROM pg_stat_activity WHERE application_name LIKE 'gravitas-split%' LIMIT 1`);
      if (rows?.length) return true;
    }
    return false;
  }

  async close(): Promise<void> {
    for (const line of Object.values(this.lines)) await line.close();
  }
}

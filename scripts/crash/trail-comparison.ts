import pg from 'pg';
import { type Acknowledged } from './report-lines.js';

/** What is wrong with the trail; nothing is, when all of these are empty. */
export interface Findings {
  /** Acknowledged and not in the trail: ids. */
  lost: string[];
  /** In the trail more than once: ids, or `producer sequence` where two ids share a number. */
  doubled: string[];
  /** In the trail with another time or number than its receipt has: ids. */
  altered: string[];
  /** Not later than its producer's event before it: ids. */
  misordered: string[];
  /** Producers of which an event is missing below the newest that was acknowledged. */
  gaps: string[];
}

export interface Compared {
  findings: Findings;
  /** Rows in the trail. */
  rows: number;
  /** They were removed afterwards. */
  emptied: boolean;
}

const PIECE = 10_000;
/** Beyond this many rows the trail is emptied after a comparison, so that a long run keeps its speed. */
const MAX_ROWS = 200_000;

export function isClean(findings: Findings): boolean {
  return Object.values(findings).every((list: string[]) => list.length === 0);
}

/**
 * Looks for everything that was acknowledged in the trail, and for what should not be there. Only while nobody writes.
 *
 * @param ownerUrl of the gatekeeper's database; the owner may empty the trail
 */
export async function compareWithTrail(ownerUrl: string, acknowledged: readonly Acknowledged[]): Promise<Compared> {
  const client = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: 10_000, query_timeout: 120_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const tell = async (sql: string) => (await client.query<{ what: string }>(sql)).rows.map(({ what }) => what);
    await bringReceipts(client, acknowledged);
    const findings = {
      lost: await tell(LOST),
      doubled: [...(await tell(DOUBLED_IDS)), ...(await tell(DOUBLED_NUMBERS))],
      altered: await tell(ALTERED),
      misordered: await tell(MISORDERED),
      gaps: await tell(GAPS),
    };
    const rows = await countRows(client);
    const emptied = rows > MAX_ROWS && isClean(findings);
    if (emptied) await client.query('TRUNCATE audit_log, event_entities');
    return { findings, rows, emptied };
  } finally {
    await client.end();
  }
}

const LOST = `SELECT id AS what FROM receipts r WHERE NOT EXISTS (SELECT FROM audit_log a WHERE a.id = r.id) ORDER BY sequence`;
const DOUBLED_IDS = `SELECT id AS what FROM audit_log GROUP BY id HAVING count(*) > 1`;
const DOUBLED_NUMBERS = `
  SELECT concat_ws(' ', producer, sequence) AS what FROM audit_log GROUP BY producer, sequence HAVING count(*) > 1`;
const ALTERED = `
  SELECT r.id AS what FROM receipts r JOIN audit_log a USING (id)
  WHERE (a.timestamp, a.sequence) IS DISTINCT FROM (r.timestamp, r.sequence)`;
const MISORDERED = `
  SELECT id AS what FROM (
    SELECT id, timestamp, lag(timestamp) OVER (PARTITION BY producer ORDER BY sequence) AS previous FROM audit_log
  ) AS numbered WHERE timestamp <= previous`;
/** A producer is one recorder's life; what it had not acknowledged when it was killed may be there or not. */
const GAPS = `
  WITH newest AS (
    SELECT a.producer, max(a.sequence) AS sequence FROM receipts r JOIN audit_log a USING (id) GROUP BY a.producer
  )
  SELECT producer AS what FROM audit_log a JOIN newest n USING (producer) WHERE a.sequence <= n.sequence
  GROUP BY producer, n.sequence HAVING count(DISTINCT a.sequence) < n.sequence`;

async function bringReceipts(client: pg.Client, acknowledged: readonly Acknowledged[]): Promise<void> {
  await client.query('CREATE TEMP TABLE receipts (id uuid, timestamp timestamptz, sequence bigint)');
  for (let from = 0; from < acknowledged.length; from += PIECE) {
    const piece = acknowledged.slice(from, from + PIECE);
    await client.query('INSERT INTO receipts SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[])', [
      piece.map(({ id }) => id),
      piece.map(({ timestamp }) => timestamp),
      piece.map(({ sequence }) => sequence),
    ]);
  }
  await client.query('ANALYZE receipts');
}

async function countRows(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM audit_log');
  return Number(rows[0]?.count);
}

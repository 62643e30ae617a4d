import { canonicalStoredEvent, HASH_BYTES, leafEntry, leafHash, type Hash } from '#tlog';
import { MAX_LEAVES_IN_ROW, readEvents, type NewLeaves, type Query } from './log-tables.js';

/** Between two snapshots, and behind a row where a transaction took in as much as it may. All as PostgreSQL writes them. */
export interface NewRange {
  seen: string;
  target: string;
  after: Place | undefined;
}

/** A row's place in the order of the log. Text: a Date or a number would not hold it. */
export interface Place {
  xid: string;
  time: string;
  id: string;
}

export interface NewEvents {
  runs: NewRun[];
  /** Of all runs. */
  count: number;
  /** The place of the last of them; undefined without any. */
  last: Place | undefined;
}

/** Events of one tenant, one behind the other, as leaves of a row of tlog_leaves. */
export interface NewRun extends NewLeaves {
  /** The time of the oldest, as PostgreSQL writes it. */
  oldest: string;
  /** One behind the other; fewer than there are events where rows have none. */
  hashes: Buffer;
  /** Whether there is one of the right length for each event. */
  complete: boolean;
}

type Row = Record<'tenant_id' | 'count' | 'whole' | 'ids' | 'times' | 'low_xid' | 'high_xid' | 'oldest', string> & {
  hashes: Buffer;
  last_xid: string;
  last_time: string;
  last_id: string;
};

/**
 * What is new in a snapshot, in the order of transactions, at most `limit` events. PostgreSQL puts a thousand together at a time: as
 * rows of their own they would keep a process that also answers requests busy for longer than any of those.
 */
export async function readNewEvents(
  query: Query,
  { seen, target, after }: NewRange,
  limit: number,
): Promise<NewEvents> {
  const behind = after === undefined ? '' : 'AND (xid, timestamp, id) > ($4::xid8, $5::timestamptz, $6::uuid)';
  const rows = await query<Row>(
    `WITH new AS MATERIALIZED (
       SELECT xid, tenant_id, id, timestamp, leaf_hash FROM audit_log
       WHERE xid >= pg_snapshot_xmin($1::pg_snapshot) AND xid < pg_snapshot_xmax($2::pg_snapshot)
         AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot) AND pg_visible_in_snapshot(xid, $2::pg_snapshot) ${behind}
       ORDER BY xid, timestamp, id LIMIT $3
     ), placed AS (
       SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY xid, timestamp, id) - 1 AS place FROM new
     )
     SELECT tenant_id, count(*) AS count, count(*) FILTER (WHERE length(leaf_hash) = ${HASH_BYTES}) AS whole,
       string_agg(placed.id::text, ',' ORDER BY place) AS ids,
       string_agg(placed.timestamp::text, ',' ORDER BY place) AS times,
       coalesce(string_agg(leaf_hash, '' ORDER BY place), '') AS hashes,
       (array_agg(placed.xid ORDER BY place))[1] AS low_xid,
       (array_agg(placed.xid ORDER BY place DESC))[1] AS high_xid,
       min(placed.timestamp) AS oldest,
       last.xid AS last_xid, last.timestamp AS last_time, last.id AS last_id
     FROM placed, (SELECT xid, timestamp, id FROM new ORDER BY xid DESC, timestamp DESC, id DESC LIMIT 1) last
     GROUP BY tenant_id, place / ${MAX_LEAVES_IN_ROW}, last.xid, last.timestamp, last.id
     ORDER BY tenant_id, place / ${MAX_LEAVES_IN_ROW}`,
    [seen, target, limit, ...(after === undefined ? [] : [after.xid, after.time, after.id])],
  );
  const [first] = rows;
  return {
    runs: rows.map(runOf),
    count: rows.reduce((sum, { count }) => sum + Number(count), 0),
    last: first && { xid: first.last_xid, time: first.last_time, id: first.last_id },
  };
}

function runOf({ tenant_id, count, whole, ids, times, low_xid, high_xid, oldest, hashes }: Row): NewRun {
  return {
    tenant_id,
    count: Number(count),
    ids: `{${ids}}`,
    times: `{${times}}`,
    low_xid,
    high_xid,
    oldest,
    hashes,
    complete: whole === count,
  };
}

/**
 * Events from before there was a log have no hash, and get that of their row. A later one without came past the service, and is left
 * out, as is one whose hash is none: whoever verifies the log finds it.
 *
 * @param adopted the last transaction from before there was a log
 * @returns undefined when nothing of it is left
 */
export async function withHashes(query: Query, run: NewRun, adopted: bigint): Promise<NewRun | undefined> {
  if (run.complete) return run;
  const rows = await query<{ id: string; time: string; xid: string; leaf_hash: Buffer | null }>(
    `SELECT id, timestamp AS time, xid, leaf_hash
     FROM audit_log JOIN unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS event (id, timestamp, place) USING (id, timestamp)
     ORDER BY place`,
    [run.ids, run.times],
  );
  const old = rows.filter(({ leaf_hash: hash, xid }) => hash === null && BigInt(xid) <= adopted);
  const events = await readEvents(
    query,
    old.map(({ id }) => id),
    old.map(({ time }) => time),
  );
  const kept = rows.flatMap((row): { id: string; time: string; hash: Hash }[] => {
    const event = events.get(row.id);
    const hash = event ? leafHash(leafEntry(canonicalStoredEvent(event))) : row.leaf_hash;
    return hash?.length === HASH_BYTES ? [{ ...row, hash }] : [];
  });
  if (kept.length === 0) return undefined;
  return {
    ...run,
    count: kept.length,
    ids: `{${kept.map(({ id }) => id).join()}}`,
    times: `{${kept.map(({ time }) => time).join()}}`,
    hashes: Buffer.concat(kept.map(({ hash }) => hash)),
    complete: true,
  };
}

/** The hash of the event at `place` of a run, which shares its memory. */
export function hashAt({ hashes }: NewRun, place: number): Buffer {
  return hashes.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES);
}

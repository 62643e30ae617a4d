import { type Query } from './log-tables.js';
import { STORED_EVENT_COLUMNS } from './stored-events.js';
import { type StoredEvent } from '#tlog';

/**
 * Where an event stands: `logged` in a leaf; `pending`: the log has not come to it yet; `unlogged`: the log has passed it, or never takes
 * it, because it came past the service.
 */
export type EventPlace = { row: StoredEvent } & (
  { state: 'logged'; index: number } | { state: 'pending' | 'unlogged' }
);

type Row = StoredEvent & { xid: string; passed: boolean; hashed: boolean };

/** @returns undefined when the tenant has no such event */
export async function placeOf(query: Query, tenant: string, id: string): Promise<EventPlace | undefined> {
  // What the log has passed is asked with the row: a leaf that comes later is found below all the same.
  const [found] = await query<Row>(
    `SELECT ${STORED_EVENT_COLUMNS}, xid::text AS xid, pg_visible_in_snapshot(xid, log.seen) AS passed,
            leaf_hash IS NOT NULL OR xid <= log.adopted AS hashed
     FROM audit_log, (SELECT seen, adopted FROM tlog_sequencer) AS log
     WHERE tenant_id = $1 AND id = $2 LIMIT 1`,
    [tenant, id],
  );
  if (!found) return undefined;
  const { xid, passed, hashed, ...row } = found;
  if (!hashed) return { row, state: 'unlogged' };
  const index = await indexOf(query, tenant, id, xid);
  return index === undefined ? { row, state: passed ? 'unlogged' : 'pending' } : { row, state: 'logged', index };
}

/** Of the rows that could name it, the first by their highest transaction: there are few before it, whatever the size of the log. */
export const LEAF_OF_EVENT = `
  SELECT first + array_position(ids, $2::uuid) - 1 AS index FROM tlog_leaves
  WHERE tenant_id = $1 AND high_xid >= $3::bigint AND low_xid <= $3::bigint AND $2::uuid = ANY (ids)
  ORDER BY high_xid, low_xid, first LIMIT 1`;

async function indexOf(query: Query, tenant: string, id: string, xid: string): Promise<number | undefined> {
  const [leaf] = await query<{ index: string }>(LEAF_OF_EVENT, [tenant, id, xid]);
  return leaf && Number(leaf.index);
}

import type pg from 'pg';
import { type AuditResult } from '#contracts';

export interface Range {
  /** RFC 3339; `from` belongs to it, `to` does not. */
  from: string;
  to: string;
  /** Of all tenants without. */
  tenant?: string | undefined;
}

/** A decision as the trail has it, without what its caller said of itself. */
export interface StoredDecision {
  id: string;
  /** With microseconds, UTC. */
  timestamp: string;
  tenant_id: string;
  ghost_id: string | null;
  action: string;
  resource: string;
  result: AuditResult;
  /** Of the shape of `decisionMetadata`, unless somebody changed it. */
  metadata: unknown;
  /** false: recorded before decisions could be replayed, or without its digest by now. */
  digested: boolean;
}

const PAGE = 2000;

/** By what was stamped by the gatekeeper itself; a digest makes it a decision whatever its result says now. */
const QUERY = `
  SELECT id, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp,
         tenant_id, ghost_id, action, resource, result, metadata - 'request' AS metadata, metadata ? 'input_digest' AS digested
  FROM audit_log
  WHERE service = 'gatekeeper' AND timestamp >= $1::timestamptz AND timestamp < $2::timestamptz
    AND ($3::text IS NULL OR tenant_id = $3)
    AND (timestamp, id) > ($4::timestamptz, $5::uuid)
    AND (metadata ? 'input_digest' OR (result IN ('ALLOWED', 'DENIED') AND metadata ? 'policy_version'))
  ORDER BY timestamp, id LIMIT ${PAGE}`;

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** The decisions of a time, oldest first, a page at a time: what was read is not kept. */
export async function* decisionPages(
  client: pg.ClientBase,
  { from, to, tenant }: Range,
): AsyncGenerator<StoredDecision[]> {
  let cursor = { timestamp: from, id: BEFORE_ALL };
  for (;;) {
    const { rows } = await client.query<StoredDecision>(QUERY, [from, to, tenant ?? null, cursor.timestamp, cursor.id]);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    cursor = last;
  }
}

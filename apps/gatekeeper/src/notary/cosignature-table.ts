import { type Query } from './log-tables.js';

/** Further signatures that a checkpoint is served with; a note has at most 100. */
const MAX_LINES = 32;

/** The checkpoint of that size with the cosignatures that are kept of it. */
export async function withCosignatures(
  query: Query,
  tenant: string,
  size: number,
  checkpoint: string,
): Promise<string> {
  const rows = await query<{ line: string }>(
    `SELECT line FROM tlog_cosignatures WHERE tenant_id = $1 AND size = $2::bigint ORDER BY made_at, witness LIMIT ${MAX_LINES}`,
    [tenant, size],
  );
  return checkpoint + rows.map(({ line }) => line).join('');
}

/** The newest checkpoint of which there is a cosignature, with those that there are. */
export async function newestCosigned(query: Query, tenant: string): Promise<string | null> {
  const [row] = await query<{ size: string; note: string }>(
    `SELECT size, note FROM tlog_cosignatures JOIN tlog_checkpoints USING (tenant_id, size)
     WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1`,
    [tenant],
  );
  return row ? withCosignatures(query, tenant, Number(row.size), row.note) : null;
}

export interface WitnessRow {
  witness: string;
  size: string | null;
  cosigned_at: string | null;
  problem: string | null;
}

/** How far each witness has come with the tenant's log. */
export function readWitnesses(query: Query, tenant: string): Promise<WitnessRow[]> {
  return query<WitnessRow>(
    `SELECT witness, CASE WHEN cosigned_at IS NOT NULL THEN size END AS size,
            to_char(cosigned_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS cosigned_at, problem
     FROM tlog_witnesses WHERE tenant_id = $1`,
    [tenant],
  );
}

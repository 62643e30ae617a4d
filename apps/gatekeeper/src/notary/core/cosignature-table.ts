import { type Query } from './log-tables.js';
import { type Outcome } from './witness-questions.js';

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

export interface DueTree {
  tenant: string;
  size: number;
  checkpoint: string;
  /** What the witness has cosigned last, as far as it is known; 0 before the first time. */
  oldSize: number;
}

/** Trees that have changed since the witness has seen them, and were not shown to it within the interval: longest ago first. */
export async function treesDue(query: Query, witness: string, intervalMs: number, limit: number): Promise<DueTree[]> {
  const rows = await query<{ tenant_id: string; size: string; checkpoint: string; old_size: string }>(
    `SELECT tree.tenant_id, tree.size, tree.checkpoint, coalesce(known.size, 0) AS old_size
     FROM tlog_trees AS tree
     LEFT JOIN tlog_witnesses AS known ON known.tenant_id = tree.tenant_id AND known.witness = $1
     WHERE known.size IS NULL
        OR (known.size <> tree.size AND known.asked_at <= now() - $2::float8 * interval '1 millisecond')
     ORDER BY known.asked_at NULLS FIRST LIMIT $3`,
    [witness, intervalMs, limit],
  );
  return rows.map(({ tenant_id: tenant, size, checkpoint, old_size: oldSize }) => ({
    tenant,
    size: Number(size),
    checkpoint,
    oldSize: Number(oldSize),
  }));
}

/** A cosignature takes the place of an older one of the same size. */
export async function keepAnswer(query: Query, tree: DueTree, witness: string, outcome: Outcome): Promise<void> {
  if (outcome.kind !== 'cosigned') {
    await query(
      `INSERT INTO tlog_witnesses (tenant_id, witness, size, asked_at, problem) VALUES ($1, $2, $3, now(), $4)
       ON CONFLICT (tenant_id, witness) DO UPDATE SET asked_at = EXCLUDED.asked_at, problem = EXCLUDED.problem`,
      [tree.tenant, witness, tree.oldSize, outcome.problem],
    );
    return;
  }
  await query(
    `WITH kept AS (
       INSERT INTO tlog_cosignatures (tenant_id, size, witness, line, made_at) VALUES ($1, $3, $2, $4, now())
       ON CONFLICT (tenant_id, size, witness) DO UPDATE SET line = EXCLUDED.line, made_at = EXCLUDED.made_at)
     INSERT INTO tlog_witnesses (tenant_id, witness, size, cosigned_at, asked_at) VALUES ($1, $2, $3, now(), now())
     ON CONFLICT (tenant_id, witness) DO UPDATE
     SET size = EXCLUDED.size, cosigned_at = EXCLUDED.cosigned_at, asked_at = EXCLUDED.asked_at, problem = NULL`,
    [tree.tenant, witness, tree.size, outcome.line],
  );
}

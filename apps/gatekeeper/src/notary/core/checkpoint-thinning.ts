import { type Query } from './log-tables.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;

export interface ThinnedCheckpoints {
  dropped: number;
  /** Whether there may be more to drop. */
  more: boolean;
}

/**
 * One batch: of the oldest hour that has not been thinned out and ended a day ago, drops checkpoints and their cosignatures but for each
 * tenant's last of the hour, and its last that a witness has cosigned. How far it has come is kept, so that each hour is looked at once.
 *
 * @param now milliseconds since 1970. @param limit checkpoints that it drops at most
 */
export async function thinCheckpoints(query: Query, now: number, limit: number): Promise<ThinnedCheckpoints> {
  const [oldest] = await query<{ hour: string | null }>(
    `SELECT extract(epoch FROM date_trunc('hour', min(made_at), 'UTC'))::text AS hour FROM tlog_checkpoints
     WHERE made_at >= coalesce((SELECT thinned_to FROM tlog_sequencer), '-infinity')`,
    [],
  );
  const from = oldest?.hour == null ? Infinity : Number(oldest.hour) * 1000;
  if (from + HOUR_MS > now - DAY_MS) return { dropped: 0, more: false };
  const hour = [new Date(from).toISOString(), new Date(from + HOUR_MS).toISOString()];
  const [gone] = await query<{ dropped: string }>(
    `WITH hour AS (
       SELECT c.tenant_id, c.size, EXISTS (
         SELECT FROM tlog_cosignatures AS s WHERE s.tenant_id = c.tenant_id AND s.size = c.size) AS cosigned
       FROM tlog_checkpoints AS c WHERE made_at >= $1::timestamptz AND made_at < $2::timestamptz
     ), kept AS (
       SELECT tenant_id, max(size) AS last, max(size) FILTER (WHERE cosigned) AS cosigned FROM hour GROUP BY tenant_id
     ), unwanted AS (
       SELECT tenant_id, size FROM hour JOIN kept USING (tenant_id)
       WHERE size <> last AND size IS DISTINCT FROM kept.cosigned LIMIT $3
     ), gone AS (
       DELETE FROM tlog_checkpoints USING unwanted
       WHERE tlog_checkpoints.tenant_id = unwanted.tenant_id AND tlog_checkpoints.size = unwanted.size
       RETURNING tlog_checkpoints.tenant_id, tlog_checkpoints.size
     ), unsigned AS (
       DELETE FROM tlog_cosignatures USING gone
       WHERE tlog_cosignatures.tenant_id = gone.tenant_id AND tlog_cosignatures.size = gone.size
     )
     SELECT count(*) AS dropped FROM gone`,
    [...hour, limit],
  );
  const dropped = Number(gone!.dropped);
  if (dropped < limit) await query('UPDATE tlog_sequencer SET thinned_to = $1', [hour[1]]);
  return { dropped, more: true };
}

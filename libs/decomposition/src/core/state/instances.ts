import type pg from 'pg';

/** One running process of a service that takes part in the move, as it last reported. */
export interface Instance {
  instance: string;
  /** Of the process, in ms; another one is another process of the same name. */
  startedAt: number;
  seen_s_ago: number;
  /** Heard of lately enough to be waited for. */
  alive: boolean;
  /** The last state it acts by. */
  epoch: number;
  /** No write of its own is under way or will begin until it hears of another epoch. */
  paused: boolean;
  /** What it counted; its own affair, until somebody looks. */
  stats: unknown;
}

/** They report each second. Whoever was not heard of for longer is taken for gone; what it might still write, the fence refuses. */
export const ALIVE_MS = 5000;
/** Those that ended long ago are of no interest. */
const REMEMBERED_MS = 3_600_000;

/** Ordered by name; by the clock of the target's server. */
export async function readInstances(target: pg.Pool, service: string): Promise<Instance[]> {
  const { rows } = await target.query<Instance>(
    `SELECT instance, (extract(epoch FROM started_at) * 1000)::float8 AS "startedAt",
       round(extract(epoch FROM clock_timestamp() - seen_at), 1)::float8 AS seen_s_ago,
       seen_at > clock_timestamp() - make_interval(secs => $2) AS alive, epoch::float8 AS epoch, paused, stats
     FROM decomposition.instances WHERE service = $1 AND seen_at > clock_timestamp() - make_interval(secs => $3)
     ORDER BY instance`,
    [service, ALIVE_MS / 1000, REMEMBERED_MS / 1000],
  );
  return rows;
}

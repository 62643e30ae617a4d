import { type Move } from '../move.js';
import { instanceStats } from './instance-stats.js';
import { type InstanceSample } from './traffic-window.js';

/** Participants report each second; whoever was not heard of for longer is taken for gone. */
const ALIVE_S = 5;

interface Row {
  instance: string;
  startedAt: number;
  stats: unknown;
}

/** Those that are alive, and whose reports can be read. */
export async function readInstances({ databases, service }: Move): Promise<InstanceSample[]> {
  const { rows } = await databases.target.query<Row>(
    `SELECT instance, (extract(epoch FROM started_at) * 1000)::float8 AS "startedAt", stats FROM decomposition.instances
     WHERE service = $1 AND seen_at > clock_timestamp() - make_interval(secs => $2)`,
    [service.name, ALIVE_S],
  );
  return rows.flatMap(({ stats: given, ...row }) => {
    const stats = instanceStats.safeParse(given);
    return stats.success ? [{ ...row, stats: stats.data }] : [];
  });
}

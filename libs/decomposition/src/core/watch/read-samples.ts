import { type Move } from '../move.js';
import { readInstances } from '../state/instances.js';
import { instanceStats } from './instance-stats.js';
import { type InstanceSample } from './traffic-window.js';

/** Those that are alive, and whose reports can be read. */
export async function readSamples({ databases, service }: Move): Promise<InstanceSample[]> {
  const instances = await readInstances(databases.target, service.name);
  return instances.flatMap(({ alive, instance, startedAt, stats: given }) => {
    const stats = instanceStats.safeParse(given);
    return alive && stats.success ? [{ instance, startedAt, stats: stats.data }] : [];
  });
}

import { type Instance } from '../state/instances.js';
import {
  countersOf,
  NOTHING,
  plus,
  since,
  trafficOf,
  type Counters,
  type InstanceStats,
  type Traffic,
} from './instance-stats.js';

/** A live participant, as it last reported. */
export interface InstanceSample extends Pick<Instance, 'instance' | 'startedAt'> {
  stats: InstanceStats;
}

interface Known {
  startedAt: number;
  last: Counters;
  /** What was added at each look, the oldest first. */
  added: { at: number; counters: Counters }[];
  pool: { at: number; used: number }[];
}

/**
 * What the participants did in the last `windowMs`, out of counters that grow as long as they live. Who is seen for the first time only
 * sets its mark: what it counted before is of no known time. Who restarts is counted from zero. Who is gone takes what it did with it.
 */
export class TrafficWindow {
  private readonly known = new Map<string, Known>();

  constructor(private readonly windowMs: number) {}

  observe(instances: readonly InstanceSample[], now: number): void {
    const live = new Set(instances.map(({ instance }) => instance));
    for (const name of this.known.keys()) if (!live.has(name)) this.known.delete(name);
    for (const sample of instances) this.add(sample, now);
    const inside = ({ at }: { at: number }): boolean => at > now - this.windowMs;
    for (const one of this.known.values()) {
      one.added = one.added.filter(inside);
      one.pool = one.pool.filter(inside);
    }
  }

  /** Of all instances together, from after `start` on. */
  total(start = -Infinity): Traffic {
    let sum = NOTHING;
    for (const { added } of this.known.values())
      for (const { at, counters } of added) if (at > start) sum = plus(sum, counters);
    return trafficOf(sum);
  }

  /** Of the instance that has the fullest pool, whose requests wait whatever the others have left: mean share, 0 to 1. */
  poolUse(): number | null {
    const means = [...this.known.values()].flatMap(({ pool }) =>
      pool.length === 0 ? [] : [pool.reduce((sum, { used }) => sum + used, 0) / pool.length],
    );
    return means.length === 0 ? null : Math.max(...means);
  }

  clear(): void {
    this.known.clear();
  }

  private add({ instance, startedAt, stats }: InstanceSample, now: number): void {
    const counters = countersOf(stats);
    const before = this.known.get(instance);
    const known: Known = before ?? { startedAt, last: counters, added: [], pool: [] };
    if (before) {
      const grown = before.startedAt === startedAt ? since(before.last, counters) : undefined;
      known.added.push({ at: now, counters: grown ?? counters });
    }
    if (stats.pool.size > 0) known.pool.push({ at: now, used: stats.pool.used / stats.pool.size });
    this.known.set(instance, Object.assign(known, { startedAt, last: counters }));
  }
}

import { instanceStats } from '../../src/core/watch/instance-stats.js';
import { type InstanceSample } from '../../src/core/watch/traffic-window.js';

export interface Load {
  /** Requests a second; each is compared with the other side, too. */
  rps: number;
  /** Shares of them, 0 to 1. */
  errors?: number;
  /** Over a second. */
  slow?: number;
  different?: number;
  /** Share of the pool that is in use. Default 0.3. */
  pool?: number;
  /** Adds exactly this in each step instead. */
  exactly?: { compared: number; different: number };
}

const REPORT_MS = 1000;
const POOL_SIZE = 20;
const LE = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];
const [FAST, SLOW] = [3, 8];

/** A participant that counts what it is told it did, and reports it each second. */
export class SimulatedService {
  away = false;
  private counted = empty();
  private startedAt = 0;
  private changes: Partial<Load> = {};
  private reportedAt = -Infinity;
  private reported: InstanceSample | undefined;

  constructor(
    private readonly instance: string,
    private readonly random: () => number,
  ) {}

  run(ms: number, given: Load): void {
    const load = { ...given, ...this.changes };
    const { counted } = this;
    counted.used = Math.round(POOL_SIZE * (load.pool ?? 0.3));
    if (load.exactly) return this.count(load.exactly);
    const whole = (load.rps * ms) / 1000;
    const requests = Math.floor(whole) + (this.random() < whole % 1 ? 1 : 0);
    for (let i = 0; i < requests; i++) {
      counted.requests++;
      counted.compared++;
      if (this.random() < (load.errors ?? 0)) counted.errors++;
      if (this.random() < (load.different ?? 0)) counted.different++;
      counted.latency[this.random() < (load.slow ?? 0) ? SLOW : FAST]!++;
    }
  }

  /** Of what `run` is told, changes this for this one. */
  only(changes: Partial<Load>): void {
    this.changes = changes;
  }

  count(more: Partial<Record<'requests' | 'errors' | 'compared' | 'different', number>>): void {
    for (const [name, value] of Object.entries(more) as [keyof typeof more, number][]) this.counted[name] += value;
  }

  restart(now: number): void {
    this.counted = empty();
    this.startedAt = now;
  }

  /** What it last told; undefined when it has not been heard of. */
  report(now: number): InstanceSample | undefined {
    if (this.away) return undefined;
    if (now - this.reportedAt >= REPORT_MS) {
      this.reportedAt = now;
      const { requests, errors, compared, different, latency, used } = this.counted;
      const stats = instanceStats.parse({
        requests,
        errors,
        latency_ms: { le: LE, count: [...latency] },
        shadow: { compared, different },
        pool: { used, size: POOL_SIZE },
      });
      this.reported = { instance: this.instance, startedAt: this.startedAt, stats };
    }
    return this.reported;
  }
}

function empty() {
  return { requests: 0, errors: 0, compared: 0, different: 0, used: 0, latency: [...LE, Infinity].map(() => 0) };
}

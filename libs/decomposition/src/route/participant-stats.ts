import { type Side } from '../core/side.js';
import { LATENCY_BOUNDS } from '../core/watch/instance-stats.js';

/** What an instance counted since it started, as `decomposition.instances` has it in `stats`. */
export interface StatsReport {
  requests: number;
  errors: number;
  latency_ms: { le: readonly number[]; count: readonly number[] };
  /** Connections lent for reading, by the side that they lead to. */
  reads: Record<Side, number>;
  shadow: { compared: number; different: number };
  /** Connections of all pools: lent at this moment, and the most that there may be, to one side. */
  pool: { used: number; size: number };
  writes_waiting: number;
  waited_ms: { count: number; sum: number; max: number };
  /** Writes that a fence refused. */
  fenced: number;
  dual: { failed_halves: number };
}

export class ParticipantStats {
  requests = 0;
  errors = 0;
  readonly reads: Record<Side, number> = { source: 0, target: 0 };
  readonly shadow = { compared: 0, different: 0 };
  readonly waits = { count: 0, sum: 0, max: 0 };
  fenced = 0;
  failedHalves = 0;
  private readonly latencies = new Array<number>(LATENCY_BOUNDS.length + 1).fill(0);

  /** A request was answered. */
  answered(milliseconds: number, failed: boolean): void {
    this.requests++;
    if (failed) this.errors++;
    const bucket = LATENCY_BOUNDS.findIndex((bound) => milliseconds <= bound);
    this.latencies[bucket === -1 ? LATENCY_BOUNDS.length : bucket]!++;
  }

  /** A writer waited at the gate. */
  waited(milliseconds: number): void {
    this.waits.count++;
    this.waits.sum += milliseconds;
    this.waits.max = Math.max(this.waits.max, milliseconds);
  }

  report(pool: StatsReport['pool'], writesWaiting: number): StatsReport {
    const { count, sum, max } = this.waits;
    return {
      requests: this.requests,
      errors: this.errors,
      latency_ms: { le: LATENCY_BOUNDS, count: [...this.latencies] },
      reads: { ...this.reads },
      shadow: { ...this.shadow },
      pool,
      writes_waiting: writesWaiting,
      waited_ms: { count, sum: Math.round(sum), max: Math.round(max) },
      fenced: this.fenced,
      dual: { failed_halves: this.failedHalves },
    };
  }
}

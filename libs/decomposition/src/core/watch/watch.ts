import { type WatchSettings } from '../plan/plan.js';
import { LATENCY_BOUNDS } from './instance-stats.js';
import { quantile } from './quantile.js';
import { TrafficWindow, type InstanceSample } from './traffic-window.js';
import { Trigger } from './trigger.js';

export const TRIGGERS = ['error_rate', 'p95', 'shadow_consistency', 'lag', 'pool_use'] as const;
export type TriggerName = (typeof TRIGGERS)[number];

/** What is known at one moment. */
export interface Sample {
  /**
   * Who serves what. When it changes, what was measured before is of another arrangement: windows, and triggers that have fired, begin
   * anew. Null while nothing can be told by, such as during a pause of writes.
   */
  arrangement: string | null;
  /** Whether there is something to take back. Where there is not, triggers only alert. */
  reversible: boolean;
  /** Those that are alive. */
  instances: readonly InstanceSample[];
  /** Of the stream in use, in seconds; null when there is none, or it cannot be told. */
  lagSeconds: number | null;
}

export interface Decision {
  trigger: TriggerName;
  action: 'reverse' | 'alert';
  /** In the trigger's unit: percent, ms or s; of `shadow_consistency` percent that agreed. */
  value: number;
  threshold: number;
}

export interface Reading {
  trigger: TriggerName;
  /** Null when there is too little to tell. */
  value: number | null;
  threshold: number;
  /** Up to now, in a row; 2 fire. */
  windowsOver: 0 | 1 | 2;
}

/** A window with fewer requests, or comparisons, decides nothing. */
const MIN_TRAFFIC = 20;
/** Nor do fewer failures, or differences, in it: one or two are an event, and no rate. */
const MIN_BAD = 3;
const NONE = { error_rate: null, p95: null, shadow_consistency: null, pool_use: null };

/** Decides, and does nothing. Look at least four times a window. Times are in ms, of any clock that does not go back. */
export class Watch {
  private readonly window: TrafficWindow;
  private readonly triggers: Map<TriggerName, Trigger>;
  private arrangement: string | null = null;
  private since = 0;

  constructor(private readonly settings: WatchSettings) {
    this.window = new TrafficWindow(settings.window_ms);
    const { shadow_consistency_percent: consistency } = settings;
    const thresholds: [TriggerName, number | null][] = [
      ['error_rate', settings.error_rate_percent],
      ['p95', settings.p95_ms],
      // Turned round, so that more is worse as with the others.
      ['shadow_consistency', consistency === null ? null : complement(consistency)],
      ['lag', settings.lag_s],
      ['pool_use', settings.pool_use_percent],
    ];
    this.triggers = new Map(
      thresholds.flatMap(([name, threshold]) =>
        threshold === null ? [] : [[name, new Trigger(threshold, settings.window_ms, settings.cooldown_ms)]],
      ),
    );
  }

  observe({ arrangement, reversible, instances, lagSeconds }: Sample, now: number): Decision[] {
    if (arrangement !== this.arrangement) this.begin(arrangement, now);
    if (arrangement === null) return [];
    this.window.observe(instances, now);
    // Counted are whole windows only.
    const counted = now - this.since >= this.settings.window_ms;
    const values = { ...(counted ? this.counted() : NONE), lag: lagSeconds };
    const lasting = this.lasting(now);
    const fired = [...this.triggers].filter(([name, trigger]) => trigger.observe(values[name], lasting[name], now));
    const action = reversible ? this.settings.action : 'alert';
    return fired.map(([trigger]) => {
      const { value, threshold } = this.reading(trigger);
      return { trigger, action, value: value!, threshold };
    });
  }

  /** What was decided could not be done: the next two windows decide again. */
  retry(): void {
    for (const trigger of this.triggers.values()) trigger.reset();
  }

  readings(): Reading[] {
    return [...this.triggers.keys()].map((name) => this.reading(name));
  }

  private reading(name: TriggerName): Reading {
    const { value, threshold, windowsOver } = this.triggers.get(name)!;
    const said = (amount: number): number => (name === 'shadow_consistency' ? complement(amount) : amount);
    return { trigger: name, value: value === null ? null : said(value), threshold: said(threshold), windowsOver };
  }

  private counted(): Record<Exclude<TriggerName, 'lag'>, number | null> {
    const { requests, errors, latencies, compared, different } = this.window.total();
    const used = this.window.poolUse();
    return {
      error_rate: percent(errors, requests),
      // Of few, too, it takes some slow ones.
      p95: requests < MIN_TRAFFIC ? null : quantile(Math.min(0.95, 1 - MIN_BAD / requests), LATENCY_BOUNDS, latencies),
      shadow_consistency: percent(different, compared),
      pool_use: used === null ? null : 100 * used,
    };
  }

  /** Of the latter half of the window, which has less to go by: whether it is at least half as bad as the threshold. */
  private lasting(now: number): Partial<Record<TriggerName, boolean>> {
    const { requests, errors, latencies, compared, different } = this.window.total(now - this.settings.window_ms / 2);
    const { error_rate_percent: errorRate, p95_ms: p95, shadow_consistency_percent: consistency } = this.settings;
    return {
      error_rate: 100 * errors > (requests * (errorRate ?? 0)) / 2,
      p95: (quantile(0.975, LATENCY_BOUNDS, latencies) ?? 0) > (p95 ?? 0),
      shadow_consistency: 100 * different > (compared * complement(consistency ?? 0)) / 2,
    };
  }

  private begin(arrangement: string | null, now: number): void {
    this.arrangement = arrangement;
    this.since = now;
    this.window.clear();
    this.retry();
  }
}

/** Of 100, free of binary dust: 99.9 and 0.1 are each other's. */
function complement(share: number): number {
  return Number((100 - share).toFixed(9));
}

function percent(bad: number, all: number): number | null {
  if (all < MIN_TRAFFIC) return null;
  return bad < MIN_BAD ? 0 : (100 * bad) / all;
}

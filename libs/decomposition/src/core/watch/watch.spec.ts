import { beforeEach, describe, expect, it } from '@jest/globals';
import { planSchema, type WatchSettings } from '../plan/plan.js';
import { SimulatedService, type Load } from '../../../test/support/simulated-service.js';
import { Watch, type Decision, type Sample, type TriggerName } from './watch.js';

const TICK_MS = 500;
const settings = (given: object = {}): WatchSettings => planSchema.shape.watch.parse(given);

/** Looks every half second, as `watch` does, at participants that report every second. */
class Simulation {
  now = 1_000_000;
  readonly fired: (Decision & { at: number })[] = [];
  readonly watch: Watch;
  readonly services: SimulatedService[];
  sample: Omit<Sample, 'instances'> = { arrangement: 'target', reversible: true, lagSeconds: 0.3 };

  constructor(
    given: object = {},
    private seed = 1,
    instances = 1,
  ) {
    this.watch = new Watch(settings(given));
    this.services = Array.from({ length: instances }, (_, i) => new SimulatedService(`i${i}`, this.random));
  }

  readonly random = (): number => {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0;
    return this.seed / 2 ** 32;
  };

  run(ms: number, load: Load | (() => Load), lag = (): number | null => this.sample.lagSeconds): this {
    for (const end = this.now + ms; this.now < end;) {
      this.now += TICK_MS;
      for (const service of this.services) service.run(TICK_MS, typeof load === 'function' ? load() : load);
      const instances = this.services.flatMap((service) => service.report(this.now) ?? []);
      for (const decision of this.watch.observe({ ...this.sample, instances, lagSeconds: lag() }, this.now))
        this.fired.push({ ...decision, at: this.now });
    }
    return this;
  }

  /** What fired, and how long after the moment. */
  since(moment: number): [string, number][] {
    return this.fired.map(({ trigger, at }) => [trigger, at - moment]);
  }
}

const QUIET: Load = { rps: 60 };

describe('Watch', () => {
  let simulation: Simulation;
  beforeEach(() => {
    simulation = new Simulation();
  });

  it.each<[TriggerName, Load, number]>([
    ['error_rate', { rps: 60, errors: 0.08 }, 0.3],
    ['p95', { rps: 60, slow: 0.12 }, 0.3],
    ['shadow_consistency', { rps: 60, different: 0.05 }, 0.3],
    ['pool_use', { rps: 60, pool: 0.85 }, 0.3],
    ['lag', { rps: 60 }, 5.5],
  ])('fires %s within 10 s of its cause, at whatever moment that begins, and nothing else', (trigger, load, lag) => {
    for (let offset = 0; offset < 16; offset++) {
      const one = new Simulation({}, offset + 1, 2).run(20_000 + offset * TICK_MS, QUIET);
      expect(one.fired).toEqual([]);
      const began = one.now;
      one.run(10_000, load, () => lag);
      expect(one.since(began)).toEqual([[trigger, expect.any(Number)]]);
      expect(one.fired[0]!.action).toBe('reverse');
      expect(one.fired[0]!.at - began).toBeGreaterThanOrEqual(4000);
    }
  });

  it('fires within 10 s of a stream that stands still', () => {
    simulation.run(20_000, QUIET);
    const stopped = simulation.now;
    simulation.run(10_000, QUIET, () => (simulation.now - stopped) / 1000);
    expect(simulation.since(stopped)).toEqual([['lag', expect.any(Number)]]);
  });

  it('fires nothing in 100 runs of noise below the thresholds', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const one = new Simulation({}, seed * 7919, 1 + (seed % 3));
      const { random } = one;
      one.run(
        300_000,
        () => ({
          rps: 2 + 150 * random(),
          errors: 0.012 * random(),
          slow: 0.02 * random(),
          different: 0.0002 * random(),
          // A burst now and then fills it.
          pool: random() < 0.1 ? 1 : 0.6 * random(),
        }),
        () => (random() < 0.05 ? 9 * random() : random() < 0.02 ? null : 4 * random()),
      );
      expect([seed, one.fired]).toEqual([seed, []]);
    }
  });

  it('does not fire for a burst of less than a window, whatever windows that is in', () => {
    for (let offset = 0; offset < 8; offset++) {
      simulation
        .run(10_000 + offset * TICK_MS, QUIET)
        .run(3000, { rps: 60, errors: 1, slow: 1, different: 1, pool: 1 });
    }
    expect(simulation.fired).toEqual([]);
  });

  it('does not flap: it fires once while the cause lasts, and after it is gone for good once the cooldown is over', () => {
    const bad: Load = { rps: 60, errors: 0.5 };
    simulation.run(10_000, QUIET).run(300_000, bad);
    expect(simulation.fired).toHaveLength(1);
    // Comes and goes every ten seconds: at most one a cooldown.
    const began = simulation.now;
    for (let i = 0; i < 18; i++) simulation.run(10_000, QUIET).run(10_000, bad);
    const times = simulation.fired.map(({ at }) => at);
    expect(times.length - 1).toBeLessThanOrEqual((simulation.now - began) / 60_000 + 1);
    times.slice(1).forEach((at, i) => expect(at - times[i]!).toBeGreaterThanOrEqual(60_000));
  });

  it('stays silent while the measure hovers at its threshold after it has fired', () => {
    simulation = new Simulation({ cooldown_ms: 0 });
    simulation.run(10_000, QUIET).run(12_000, QUIET, () => 6);
    expect(simulation.fired).toHaveLength(1);
    for (let i = 0; i < 20; i++) simulation.run(9000, QUIET, () => 4.9).run(9000, QUIET, () => 5.1);
    expect(simulation.fired).toHaveLength(1);
    simulation.run(9000, QUIET, () => 1).run(9000, QUIET, () => 5.1);
    expect(simulation.fired).toHaveLength(2);
  });

  it('decides nothing by little traffic', () => {
    simulation.run(120_000, { rps: 4, errors: 1, slow: 1, different: 1 });
    expect(simulation.fired).toEqual([]);
    expect(simulation.watch.readings().map(({ value }) => value)).toEqual([null, null, null, 0.3, 30]);
  });

  it('counts an instance that restarted anew, and what it had counted before not again', () => {
    simulation.services[0]!.count({ requests: 10_000, errors: 5000 });
    simulation.run(20_000, QUIET);
    for (let i = 0; i < 10; i++) {
      simulation.services[0]!.restart(simulation.now);
      simulation.run(3000, QUIET);
    }
    expect(simulation.fired).toEqual([]);
    const { value } = simulation.watch.readings()[0]!;
    expect(value).toBe(0);
    simulation.run(10_000, { rps: 60, errors: 0.2 });
    expect(simulation.fired).toHaveLength(1);
  });

  it('forgets an instance that vanished, and takes one that comes back by its mark', () => {
    simulation = new Simulation({}, 1, 2);
    const [, other] = simulation.services;
    simulation.run(20_000, QUIET);
    other!.only({ errors: 1 });
    simulation.run(3000, QUIET);
    other!.away = true;
    simulation.run(20_000, QUIET);
    other!.count({ requests: 9000, errors: 9000 });
    other!.away = false;
    simulation.run(20_000, QUIET);
    expect(simulation.since(0).map(([name]) => name)).toEqual(['error_rate']);
  });

  it('begins anew when the arrangement changes, and tells nothing during a pause', () => {
    const bad: Load = { rps: 60, slow: 1 };
    simulation.run(20_000, QUIET).run(4000, bad);
    simulation.sample = { ...simulation.sample, arrangement: null };
    simulation.run(10_000, bad);
    simulation.sample = { ...simulation.sample, arrangement: 'source' };
    simulation.run(7500, bad);
    expect(simulation.fired).toEqual([]);
    simulation.run(1000, bad);
    expect(simulation.fired).toHaveLength(1);
  });

  it('alerts only where there is nothing to take back, or the plan says so', () => {
    simulation.sample = { ...simulation.sample, reversible: false };
    simulation.run(20_000, { rps: 60, errors: 0.5 });
    const alerting = new Simulation({ action: 'alert' }).run(20_000, { rps: 60, errors: 0.5 });
    expect([...simulation.fired, ...alerting.fired].map(({ action }) => action)).toEqual(['alert', 'alert']);
  });

  it('decides again after two windows when what it decided could not be done', () => {
    const bad: Load = { rps: 60, errors: 0.5 };
    simulation.run(10_000, bad);
    expect(simulation.fired).toHaveLength(1);
    simulation.watch.retry();
    simulation.run(8000, bad);
    expect(simulation.fired).toHaveLength(2);
  });

  it('leaves out triggers that are switched off', () => {
    const off = new Simulation({ error_rate_percent: null, lag_s: null });
    off.run(30_000, { rps: 60, errors: 1 }, () => 100);
    expect(off.fired).toEqual([]);
    expect(off.watch.readings().map(({ trigger }) => trigger)).toEqual(['p95', 'shadow_consistency', 'pool_use']);
  });

  it('holds 99.9 % for kept by exactly one in a thousand', () => {
    const [, , shadow] = new Watch(settings()).readings();
    expect(shadow).toMatchObject({ trigger: 'shadow_consistency', threshold: 99.9 });
    const exact = new Simulation();
    exact.run(30_000, () => ({ rps: 0, exactly: { compared: 3000, different: 3 } }));
    expect(exact.fired).toEqual([]);
  });
});

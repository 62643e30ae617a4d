import { Counter, Gauge, Registry } from 'prom-client';
import { type Decision, type Reading } from './watch.js';

const LABELS = ['service', 'trigger'] as const;

/** What `watch` sees, in Prometheus' exposition format. One for all services of a run. */
export class WatchMetrics {
  readonly registry = new Registry();
  private readonly value = this.gauge(
    'value',
    'What is measured: percent, ms or s. Absent while there is too little to tell',
  );
  private readonly threshold = this.gauge('threshold', 'What it is held against');
  private readonly windowsOver = this.gauge('windows_over', 'Windows in a row over the threshold, 0 to 2; 2 fire');
  private readonly fired = this.counter('fired_total', 'How often it fired', [...LABELS, 'action']);
  private readonly reverses = this.counter('reverses_total', 'Reverses that were begun', ['service', 'outcome']);
  private readonly looked = new Gauge({
    name: 'gravitas_split_watch_looked_seconds',
    help: 'When the service was last looked at, seconds since 1970',
    labelNames: ['service'],
    registers: [this.registry],
  });

  observe(service: string, readings: readonly Reading[], now: Date): void {
    this.looked.set({ service }, now.getTime() / 1000);
    for (const { trigger, value, threshold, windowsOver } of readings) {
      const labels = { service, trigger };
      if (value === null) this.value.remove(labels);
      else this.value.set(labels, value);
      this.threshold.set(labels, threshold);
      this.windowsOver.set(labels, windowsOver);
      for (const action of ['reverse', 'alert']) this.fired.inc({ ...labels, action }, 0);
    }
  }

  firedBy(service: string, decisions: readonly Decision[]): void {
    for (const { trigger, action } of decisions) this.fired.inc({ service, trigger, action });
  }

  reversed(service: string, outcome: 'done' | 'failed'): void {
    this.reverses.inc({ service, outcome });
  }

  private gauge(name: string, help: string): Gauge<'service' | 'trigger'> {
    const registers = [this.registry];
    return new Gauge({ name: `gravitas_split_watch_${name}`, help, labelNames: LABELS, registers });
  }

  private counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name: `gravitas_split_watch_${name}`, help, labelNames, registers: [this.registry] });
  }
}

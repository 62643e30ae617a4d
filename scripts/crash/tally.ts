import { type Drained } from './drain.js';
import { SCENARIOS, type KillPlan, type Moment, type Scenario } from './kill-plan.js';
import { type Compared } from './trail-comparison.js';

/** Kills, by when they came. */
interface OfScenario extends Record<Moment, number> {
  /** Of these, with a batch on its way when PostgreSQL was killed. */
  midBatch: number;
  acknowledged: number;
  /** Events that the next start found in the spool. */
  left: number;
}

const HEADINGS = ['kills', 'opening', 'recording', 'acknowledging', 'in mid-batch', 'acknowledged', 'replayed'];
const NONE: OfScenario = { opening: 0, recording: 0, acknowledging: 0, midBatch: 0, acknowledged: 0, left: 0 };

/** What happened in the runs, for the summary. */
export class Tally {
  private readonly scenarios = new Map<Scenario, OfScenario>(SCENARIOS.map((name) => [name, { ...NONE }]));
  private last: Scenario = 'up';
  private readonly trail = { removed: 0, rows: 0 };
  private damaged = 0;
  private longest = { ms: 0, events: 0 };

  get acknowledged(): number {
    return this.sum('acknowledged');
  }

  /** A recorder was killed. `found`: what it had found in the spool, unless it was killed before. */
  killed(plan: KillPlan, run: { acknowledged: number; found: number | undefined; midBatch: boolean }): void {
    if (run.found !== undefined) this.of(this.last).left += run.found;
    this.last = plan.scenario;
    const entry = this.of(plan.scenario);
    entry[plan.moment]++;
    entry.acknowledged += run.acknowledged;
    if (run.midBatch) entry.midBatch++;
  }

  drained({ left, damaged, ms }: Drained): void {
    this.of(this.last).left += left;
    this.damaged += damaged;
    if (ms > this.longest.ms && left > 0) this.longest = { ms, events: left };
  }

  compared({ rows, emptied }: Compared): void {
    this.trail.rows = emptied ? 0 : rows;
    if (emptied) this.trail.removed += rows;
  }

  /** Some lines of text. */
  summary(): string {
    const rows = [...this.scenarios].map(([name, entry]) => columns([`PostgreSQL ${name}`, ...numbers(entry)]));
    const all = { ...NONE };
    for (const key of Object.keys(all) as (keyof OfScenario)[]) all[key] = this.sum(key);
    const persisted = this.trail.removed + this.trail.rows;
    return [
      columns(['', ...HEADINGS]),
      ...rows,
      columns(['all', ...numbers(all)]),
      '',
      `persisted: ${persisted}, with those that were taken, but killed before they were acknowledged`,
      `torn by a kill, and so never acknowledged: ${this.damaged} where the spool was drained`,
      `longest replay: ${this.longest.events} events in ${Math.round(this.longest.ms)} ms`,
    ].join('\n');
  }

  private of(scenario: Scenario): OfScenario {
    return this.scenarios.get(scenario)!;
  }

  private sum(key: keyof OfScenario): number {
    return [...this.scenarios.values()].reduce((sum, entry) => sum + entry[key], 0);
  }
}

function numbers({ opening, recording, acknowledging, midBatch, acknowledged, left }: OfScenario): number[] {
  return [opening + recording + acknowledging, opening, recording, acknowledging, midBatch, acknowledged, left];
}

function columns([first, ...rest]: readonly (string | number)[]): string {
  return String(first).padEnd(18) + rest.map((text) => String(text).padStart(14)).join('');
}

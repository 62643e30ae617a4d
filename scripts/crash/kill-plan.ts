import { Random } from './random.js';

export const SCENARIOS = ['up', 'stopped', 'killed'] as const;

/** Of PostgreSQL: up all the time; stopped before the recorder starts; killed with SIGKILL while the recorder's batches go in. */
export type Scenario = (typeof SCENARIOS)[number];

/** While it opens its spool and takes up what is left there; any time after it has acknowledged something; right after it has. */
export type Moment = 'opening' | 'recording' | 'acknowledging';

/** How one recorder is killed. */
export interface KillPlan {
  scenario: Scenario;
  moment: Moment;
  /** From that moment (or, when PostgreSQL comes back or goes before the kill, from then) to the kill. */
  delayMs: number;
  /** How often it reports when it kills itself: right after the last of them, so that nothing can follow an acknowledgement. */
  reports: number;
  /** A stopped PostgreSQL is back before the kill, and not only after it. */
  backBeforeKill: boolean;
  /** For how long a recorder has been recording when PostgreSQL is killed. */
  loadMs: number;
  /** Whether what was acknowledged so far is looked for in the trail afterwards, before the next recorder. */
  compare: boolean;
  /** What the recorder records. */
  seed: number;
}

/** Each five kills have every scenario, in an order of their own. */
const DECK: readonly Scenario[] = ['up', 'up', 'stopped', 'killed', 'killed'];
const MOMENTS: readonly [Moment, ...Moment[]] = ['opening', 'recording', 'recording', 'acknowledging'];
const COMPARE_SHARE = 0.25;

/** As many plans as asked for; the same ones for the same seed. The last one compares. */
export function* killPlans(kills: number, seed: number): Generator<KillPlan> {
  const random = new Random(seed);
  let deck: Scenario[] = [];
  for (let kill = 1; kill <= kills; kill++) {
    if (deck.length === 0) deck = random.shuffle(DECK);
    const scenario = deck.pop() ?? 'up';
    const moment = random.pick(MOMENTS);
    yield {
      scenario,
      moment,
      delayMs: moment === 'opening' ? random.integer(0, 80) : random.integer(1, 400),
      reports: random.integer(1, 60),
      backBeforeKill: random.chance(0.5),
      loadMs: random.integer(1, 150),
      compare: random.chance(COMPARE_SHARE) || kill === kills,
      seed: random.integer(0, 2 ** 32 - 1),
    };
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { type Random } from '../../../scripts/crash/random.js';
import { type Program } from '../run-program.js';

export type Victim = 'tool' | 'source' | 'target';

/** Whom to kill, at a moment that is left to chance unless it is given. */
export interface Kill {
  victim: Victim;
  at?: Moment;
}

/** A moment in a run of a verb: once it is connected, or has said so many lines, or written down so many steps, and so much later. */
export interface Moment {
  what: 'lines' | 'steps';
  count: number;
  /** Milliseconds. */
  later: number;
}

const EVERY_MS = 5;

/** By what each verb tells how far it is: how many lines, or steps, there may be, and how long one takes. Milliseconds. */
const COURSES: Readonly<Record<string, { lines?: number; steps?: number; each: number }>> = {
  create: { lines: 8, each: 60 },
  copy: { lines: 3, steps: 8, each: 150 },
  verify: { lines: 0, each: 500 },
  'switch-reads': { lines: 0, each: 400 },
  'switch-writes': { steps: 9, each: 40 },
  reverse: { steps: 10, each: 40 },
  complete: { steps: 7, each: 60 },
  abandon: { steps: 5, each: 60 },
};

export function chooseMoment(verb: string, random: Random): Moment {
  const { lines, steps, each } = COURSES[verb]!;
  const bySteps = steps !== undefined && (lines === undefined || random.chance(0.7));
  const count = random.integer(0, bySteps ? steps - 1 : lines!);
  return { what: bySteps ? 'steps' : 'lines', count, later: random.integer(0, each) };
}

/** How far a run is, as others see it. */
export interface Sight {
  /** Steps of its verb in the journal. */
  steps: () => Promise<number>;
  /** Whether a connection of it is there. */
  isConnected: () => Promise<boolean>;
}

/** @returns false when the run ended before */
export async function awaitMoment({ what, count, later }: Moment, program: Program, sight: Sight): Promise<boolean> {
  const first = what === 'steps' ? await sight.steps() : 0;
  const isThere = async (): Promise<boolean> => {
    if (count === 0) return sight.isConnected();
    if (what === 'steps') return (await sight.steps()) >= first + count;
    return program.errors.split('\n').length > count;
  };
  const runs = (): boolean => program.child.exitCode === null && program.child.signalCode === null;
  while (runs() && !(await isThere())) await sleep(EVERY_MS);
  if (runs()) await sleep(later);
  return runs();
}

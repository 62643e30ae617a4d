import { MAX_LAG_S, MAX_VERIFIED_AGE_MS } from '../limits.js';
import { type MoveStatus } from './move-status.js';

export interface NextStep {
  blocks: string[];
  next: string | null;
}

type Facts = Omit<MoveStatus, 'blocks' | 'next'>;

/** The shares of reads that are gone through. */
const READ_STEPS = [10, 50, 100];

/**
 * What comes next, and why it cannot yet. The verbs look at their gates themselves; this is for whoever reads the screen.
 *
 * @param targetAnswers false: its server does not, so nothing is known; a database that is not there yet is an answer
 */
export function nextStep(facts: Facts, targetAnswers: boolean, now: Date): NextStep {
  const blocks = [...facts.problems];
  if (!targetAnswers) return { blocks, next: null };
  switch (facts.phase) {
    case null:
      return { blocks, next: 'create' };
    case 'created':
      return { blocks, next: 'copy' };
    case 'copying':
      return { blocks, next: 'copy' };
    case 'in_step':
    case 'switched':
      return followed(facts, blocks, now);
    case 'completed':
      return completed(facts, blocks, now);
    case 'abandoned':
      return { blocks, next: 'abandon' };
  }
}

function followed(facts: Facts, blocks: string[], now: Date): NextStep {
  if (facts.writes === 'paused') {
    blocks.push('writes are paused: a switch is under way, or was cut short');
    return { blocks, next: facts.paused_for === 'reverse' ? 'reverse' : 'switch-writes' };
  }
  if (facts.changes_missed) {
    blocks.push('changes were missed: the sides are not equal');
    return { blocks, next: 'copy' };
  }
  blocks.push(...verification(facts, now), ...stream(facts), ...participants(facts));
  if (facts.phase === 'switched') return { blocks, next: 'complete' };
  if (verification(facts, now).length > 0) return { blocks, next: 'verify' };
  const step = READ_STEPS.find((percent) => percent > (facts.read_percent ?? 0));
  return { blocks, next: step === undefined ? 'switch-writes' : `switch-reads --percent ${step}` };
}

function completed({ drop_after: dropAfter, old_tables: tables }: Facts, blocks: string[], now: Date): NextStep {
  if (tables === 'gone') return { blocks, next: null };
  if (tables === 'in_place') blocks.push('the old tables are not put aside yet: a run was cut short');
  else if (dropAfter && dropAfter > now) blocks.push(`the old tables are kept until ${dropAfter.toISOString()}`);
  return { blocks, next: 'complete' };
}

/** After the switch `complete` verifies by itself. */
function verification({ phase, differences_open: open, verified_at: at }: Facts, now: Date): string[] {
  if (open > 0) return [`${open} ${open === 1 ? 'difference stands' : 'differences stand'} open`];
  if (phase === 'switched') return [];
  if (!at) return ['not verified'];
  return now.getTime() - at.getTime() > MAX_VERIFIED_AGE_MS ? ['the last verification is older than an hour'] : [];
}

function stream({ lag_s: lag, problems }: Facts): string[] {
  if (lag === null) return problems.length > 0 ? [] : ['nothing follows: the stream does not move'];
  return lag > MAX_LAG_S ? [`${lag.toFixed(1)} s behind, more than ${MAX_LAG_S} s`] : [];
}

function participants({ participants: all, epoch }: Facts): string[] {
  const late = all.filter((one) => one.alive && one.epoch < (epoch ?? 0)).map(({ instance }) => instance);
  return late.length > 0
    ? [`${late.join(', ')} ${late.length === 1 ? 'does' : 'do'} not act by the present state`]
    : [];
}

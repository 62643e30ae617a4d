import { type Rule } from '../../apps/gatekeeper/src/policy/core/index.js';
import { type Replayed } from './replay.js';

export const ALL_SAME = 0;
export const DIFFERENCES = 1;
export const CANNOT_TELL = 2;

/** A difference that was found is one, whatever else could not be looked at. */
export function exitCodeOf(result: Replayed): number {
  if (result.altered_count > 0 || result.same + result.undecided < result.decisions) return DIFFERENCES;
  return result.undecided > 0 ? CANNOT_TELL : ALL_SAME;
}

/** Lines of each kind that are shown; `--json` has more. */
const SHOWN = 50;

/** @param under what decided again: `the recorded policies`, or a file */
export function reportLines(result: Replayed, under: string): string[] {
  return [
    `${counted(result.decisions, 'decision')}; under ${under} ${result.same} are the same`,
    ...differences(result),
    ...result.altered
      .slice(0, SHOWN)
      .map(({ id, timestamp, problem }) => `altered: event ${id} of ${timestamp}: ${problem}`),
    ...beyond(result.altered_count, 'altered event'),
    ...result.unknown
      .slice(0, SHOWN)
      .map(
        ({ version, problem, decisions }) =>
          `cannot tell: policy ${version} ${problem}; ${counted(decisions, 'decision')} under it`,
      ),
    ...(result.undigested > 0
      ? [`${counted(result.undigested, 'decision')} without a digest of the input, not looked at`]
      : []),
  ];
}

function differences({ now_denied, now_allowed, otherwise, changes, more_changes }: Replayed): string[] {
  if (now_denied + now_allowed + otherwise === 0) return [];
  const other = otherwise > 0 ? `, ${otherwise} the same for another reason` : '';
  const shown = changes.slice(0, SHOWN);
  const told = shown.reduce((sum, { count }) => sum + count, 0);
  const rest = changes.reduce((sum, { count }) => sum + count, more_changes) - told;
  return [
    `${now_denied} would now be denied, ${now_allowed} allowed${other}`,
    ...shown.map(
      ({ count, ghost_id, action, resource, was, now, old_rule, new_rule, example }) =>
        `  ${count} x ${ghost_id} ${action} ${resource}: ${was} by ${ruleText(old_rule)}, now ${now} by ${ruleText(new_rule)} (${example})`,
    ),
    ...(rest > 0 ? [`  and ${rest} more; --json names them`] : []),
  ];
}

function beyond(count: number, what: string): string[] {
  return count > SHOWN ? [`and ${counted(count - SHOWN, what)} more; --json names them`] : [];
}

function ruleText(rule: Rule | null): string {
  if (!rule) return 'no rule';
  return `rule ${rule.index} (${rule.group}: ${rule.effect} ${rule.action} ${rule.resource})`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

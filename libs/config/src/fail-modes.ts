import { z } from 'zod';

/** What happens to a request whose audit event is not taken: `closed` refuses it, `open` goes on without. */
export type FailMode = 'closed' | 'open';

export interface FailRule {
  /** An action, `prefix/*` or `prefix.*` for the actions below a prefix, or `*` for all. */
  pattern: string;
  mode: FailMode;
}

/** A `*` elsewhere than at the end, behind a separator, would look like a pattern and match nothing. */
const PATTERN = /^(?:\*|[^*]+|[^*]+[./]\*)$/;

/**
 * Fail modes by action: `inference=open,history.*=closed`. Space around an entry does not count, nor does an empty entry.
 * Errors name an entry by its place, counted from 1: a value is never repeated.
 */
export const failRules = z
  .string()
  .default('')
  .transform((text, context): readonly FailRule[] => {
    const rules: FailRule[] = [];
    for (const [index, entry] of text.split(',').entries()) {
      if (entry.trim() === '') continue;
      const rule = parseRule(entry);
      const problem = rule === undefined ? EXPECTED : sameIn(rules, rule) ? 'the pattern is there already' : undefined;
      if (problem === undefined) rules.push(rule!);
      else context.addIssue({ code: 'custom', message: `entry ${index + 1}: ${problem}` });
    }
    return rules;
  });

const EXPECTED = 'expected ACTION=closed or ACTION=open, with ACTION an action, prefix/*, prefix.* or *';

function parseRule(entry: string): FailRule | undefined {
  const at = entry.lastIndexOf('=');
  const pattern = entry.slice(0, Math.max(at, 0)).trim();
  const mode = entry.slice(at + 1).trim();
  return PATTERN.test(pattern) && (mode === 'closed' || mode === 'open') ? { pattern, mode } : undefined;
}

function sameIn(rules: readonly FailRule[], { pattern }: FailRule): boolean {
  return rules.some((rule) => rule.pattern === pattern);
}

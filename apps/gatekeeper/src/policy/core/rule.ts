import { type Effect } from './policy-data.js';

export interface Rule {
  /** Its place in the policy: groups in the order of their names (by UTF-16 code units), permissions as they stand. */
  index: number;
  group: string;
  effect: Effect;
  action: string;
  resource: string;
}

/** What speaks against a rule; nothing where it matches. The plain reading of a rule, one at a time. */
export function whyNot(rule: Rule, action: string, resource: string): string | undefined {
  if (!matches(rule.action, action)) return `its action is ${rule.action}`;
  if (!matches(rule.resource, resource)) return `its resource is ${rule.resource}`;
  return undefined;
}

/** `*` matches all, `prefix/*` what lies below the prefix, anything else itself. */
export function matches(pattern: string, value: string): boolean {
  if (pattern === '*') return true;
  if (!pattern.endsWith('/*')) return pattern === value;
  const prefix = pattern.slice(0, -1);
  return value.length > prefix.length && value.startsWith(prefix);
}

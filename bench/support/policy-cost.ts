import { Policy } from '../../apps/gatekeeper/src/policy/core/index.js';
import { median } from '../harness/statistics.js';

const DECISIONS = 50_000;
const ROUNDS = 5;
const ACTIONS = ['read', 'write', 'execute', '*'];

/** The median of some rounds of one decision's time, in microseconds, under a policy of that many rules, a fifth of them denies. */
export function decisionCost(rules: number): number {
  const groups = { team: { permissions: Array.from({ length: rules }, (_, i) => permission(i)) } };
  const policy = Policy.fromCanonical({ groups, ghost_mappings: { Scout: ['team'] } });
  const resources = Array.from({ length: 997 }, (_, i) => `area-${(i * 7919) % rules}/item-${i}`);
  const own = policy.groupsOf('Scout', []);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const began = performance.now();
    for (let i = 0; i < DECISIONS; i++) policy.decide(own, ACTIONS[i % 3]!, resources[i % resources.length]!);
    return ((performance.now() - began) * 1000) / DECISIONS;
  });
  return median(rounds);
}

function permission(i: number): object {
  const resource = i % 2 === 0 ? `area-${i}/*` : `area-${i}/item-${i}`;
  return { action: ACTIONS[i % ACTIONS.length], resource, ...(i % 5 === 0 && { effect: 'deny' }) };
}

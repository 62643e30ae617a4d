import { findFault, isAtRest } from './invariants.js';
import { PROTOCOL, type Protocol } from './protocol.js';
import { type Bounds, transitions } from './transitions.js';
import { initial, keyOf, SOURCE, TARGET, type World } from './world.js';

export interface Exploration {
  /** Reachable states that were looked at. */
  states: number;
  /** What does not hold; undefined when everything holds in all reachable states. */
  fault: string | undefined;
  /** How to get there, from the beginning. */
  trace: readonly string[];
}

/**
 * Looks at every state that can be reached, breadth first, so that the trace to a fault is a shortest one; then whether from each of them
 * everything can come to rest without a further fault: on the source, and on the target.
 *
 * @throws Error when there are more states than `limit`
 */
export function explore(bounds: Bounds, protocol: Protocol = PROTOCOL, limit = 2_000_000): Exploration {
  const numbers = new Map<string, number>();
  const worlds: (World | undefined)[] = [];
  const parents: number[] = [];
  const labels: string[] = [];
  /** By the side that takes writes. */
  const resting: [number[], number[]] = [[], []];
  /** Pairs: from, to; without faults. */
  const edges: number[] = [];
  const visit = (world: World, parent: number, label: string): number => {
    const key = keyOf(world);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    const number = worlds.push(world) - 1;
    numbers.set(key, number);
    parents.push(parent);
    labels.push(label);
    for (const side of [SOURCE, TARGET] as const) if (isAtRest(world, side)) resting[side].push(number);
    return number;
  };
  const traceTo = (number: number): string[] => {
    const trace = [];
    for (let at = number; at > 0; at = parents[at]!) trace.unshift(labels[at]!);
    return trace;
  };
  visit(initial(bounds.writers), -1, '');
  for (let number = 0; number < worlds.length; number += 1) {
    const world = worlds[number]!;
    const fault = findFault(world);
    if (fault) return { states: worlds.length, fault, trace: traceTo(number) };
    if (worlds.length > limit) throw new Error(`more than ${limit} states`);
    for (const { label, fault: isFault, to } of transitions(protocol, bounds, world)) {
      const next = visit(to, number, label);
      if (!isFault) edges.push(number, next);
    }
    worlds[number] = undefined;
  }
  for (const side of [SOURCE, TARGET] as const) {
    const stuck = firstStuck(worlds.length, edges, resting[side]);
    if (stuck !== undefined) return { states: worlds.length, fault: STUCK[side], trace: traceTo(stuck) };
  }
  return { states: worlds.length, fault: undefined, trace: [] };
}

/** However often the tool is run. */
export const STUCK = [
  'from here nothing leads back to the source',
  'from here nothing leads on to the target',
] as const;

/** The first state that has no path to one of `resting`. */
function firstStuck(count: number, edges: readonly number[], resting: readonly number[]): number | undefined {
  const starts = new Int32Array(count + 1);
  for (let i = 1; i < edges.length; i += 2) starts[edges[i]! + 1]! += 1;
  for (let i = 0; i < count; i += 1) starts[i + 1]! += starts[i]!;
  const filled = starts.slice();
  const sources = new Int32Array(edges.length / 2);
  for (let i = 0; i < edges.length; i += 2) sources[filled[edges[i + 1]!]!++] = edges[i]!;
  const good = new Uint8Array(count);
  const queue = [...resting];
  for (const number of queue) good[number] = 1;
  while (queue.length > 0) {
    const number = queue.pop()!;
    for (let i = starts[number]!; i < starts[number + 1]!; i += 1) {
      const before = sources[i]!;
      if (good[before]) continue;
      good[before] = 1;
      queue.push(before);
    }
  }
  const stuck = good.indexOf(0);
  return stuck < 0 ? undefined : stuck;
}

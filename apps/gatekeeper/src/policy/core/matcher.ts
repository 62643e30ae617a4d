import { PatternIndex } from './pattern-index.js';
import { type Effect } from './policy-data.js';
import { type Rule } from './rule.js';

/** The first rule of a group for each pair of patterns that occurs: action, then resource. */
type Resources = Map<number, Rule>;
type Pairs = Map<number, Resources>;
type ByGroup = Map<string, Pairs>;

/**
 * Finds the rule that decides, without going through the rules. The patterns that match a request are found once; then each group is
 * asked for the pairs of these. That is a few look-ups, whatever the number of rules; at most one for each group, and each pattern of
 * the policy on the way to the resource.
 */
export class Matcher {
  private readonly actions = new PatternIndex();
  private readonly resources = new PatternIndex();
  private readonly effects: Record<Effect, ByGroup> = { allow: new Map(), deny: new Map() };

  /** Rules come in their order: of several of a group that match, the first counts. */
  add(rule: Rule): void {
    const pairs = valueIn(this.effects[rule.effect], rule.group, (): Pairs => new Map());
    const resources = valueIn(pairs, this.actions.add(rule.action), (): Resources => new Map());
    const resource = this.resources.add(rule.resource);
    if (!resources.has(resource)) resources.set(resource, rule);
  }

  /**
   * The first deny that matches, of the first group that has one; without any, the first allow.
   *
   * @param groups in the order in which they are asked
   */
  find(groups: readonly string[], action: string, resource: string): Rule | undefined {
    const actions = this.actions.match(action);
    const resources = this.resources.match(resource);
    if (actions === 0 || resources === 0) return undefined;
    const { allow, deny } = this.effects;
    return (
      (deny.size > 0 ? this.findIn(deny, groups, actions, resources) : undefined) ??
      this.findIn(allow, groups, actions, resources)
    );
  }

  private findIn(byGroup: ByGroup, groups: readonly string[], actions: number, resources: number): Rule | undefined {
    for (const group of groups) {
      const pairs = byGroup.get(group);
      const rule = pairs && this.firstOf(pairs, actions, resources);
      if (rule) return rule;
    }
    return undefined;
  }

  private firstOf(pairs: Pairs, actions: number, resources: number): Rule | undefined {
    let first: Rule | undefined;
    for (let a = 0; a < actions; a++) {
      const byResource = pairs.get(this.actions.found[a]!);
      if (!byResource) continue;
      for (let r = 0; r < resources; r++) {
        const rule = byResource.get(this.resources.found[r]!);
        if (rule && (!first || rule.index < first.index)) first = rule;
      }
    }
    return first;
  }
}

function valueIn<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

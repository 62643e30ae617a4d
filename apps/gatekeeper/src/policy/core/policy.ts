import { setImmediate as nextTurn } from 'node:timers/promises';
import { canonicalPolicy, fromCanonical, versionOf } from './canonical.js';
import { Matcher } from './matcher.js';
import { type PolicyData } from './policy-data.js';
import { whyNot, type Rule } from './rule.js';

export interface Decision {
  allowed: boolean;
  reason: string;
  /** The rule that decided: the first deny that matches, else the first allow. Null when none matches. */
  rule: Rule | null;
  policyVersion: string;
}

/** What a rule of the caller's groups says to a request. */
export interface Explained {
  rule: Rule;
  /** What speaks against it; undefined where it matches. */
  whyNot: string | undefined;
}

/** Answers from one policy, which never changes. */
export interface Decider {
  readonly version: string;
  groupsOf(ghost: string, tokenGroups: readonly string[]): string[];
  decide(groups: readonly string[], action: string, resource: string): Decision;
  /** The first rules of the groups, one by one; `complete` when that was all of them. */
  explain(
    groups: readonly string[],
    action: string,
    resource: string,
  ): { explained: readonly Explained[]; complete: boolean };
}

/** Rules that are explained at most. */
const MAX_EXPLAINED = 1000;
/** A millisecond or so. */
const RULES_IN_A_TURN = 500;
/** Groups that a reason names at most. */
const MAX_NAMED = 10;

/** An access policy: what each group may do, and which groups each ghost has. Immutable. */
export class Policy implements Decider {
  private readonly all: Rule[] = [];
  private readonly matcher = new Matcher();
  private readonly byGroup = new Map<string, Rule[]>();
  /** By the index of the rule that decides; made when they are first needed. */
  private readonly decisions: (Decision | undefined)[] = [];

  private constructor(
    private readonly data: PolicyData,
    /** The policy as canonical JSON (RFC 8785). */
    readonly canonical: string,
    /** SHA-256, in hex, of that. */
    readonly version: string,
  ) {}

  static of(data: PolicyData): Policy {
    const canonical = canonicalPolicy(data);
    const policy = new Policy(data, canonical, versionOf(canonical));
    for (const _ of policy.compile());
    return policy;
  }

  /**
   * From a canonical text, a few rules in each turn of the event loop, so that a large policy does not hold up what else there is to do.
   *
   * @throws PolicyError when it is no policy
   */
  static async ofLarge(canonical: string): Promise<Policy> {
    const policy = new Policy(fromCanonical(JSON.parse(canonical)), canonical, versionOf(canonical));
    for (const _ of policy.compile()) await nextTurn();
    return policy;
  }

  /**
   * From what a JSON column made of a canonical text.
   *
   * @throws PolicyError when it is no policy
   */
  static fromCanonical(json: unknown): Policy {
    return Policy.of(fromCanonical(json));
  }

  get rules(): readonly Rule[] {
    return this.all;
  }

  get groupCount(): number {
    return this.byGroup.size;
  }

  /** The groups of a ghost: those it is mapped to, and those that its token names. */
  groupsOf(ghost: string, tokenGroups: readonly string[]): string[] {
    const mapped = this.data.mappings.get(ghost) ?? [];
    return [...new Set([...mapped, ...tokenGroups])];
  }

  decide(groups: readonly string[], action: string, resource: string): Decision {
    const rule = this.matcher.find(groups, action, resource);
    if (rule) return (this.decisions[rule.index] ??= this.decisionBy(rule));
    return { allowed: false, reason: noRule(groups), rule: null, policyVersion: this.version };
  }

  explain(
    groups: readonly string[],
    action: string,
    resource: string,
  ): { explained: readonly Explained[]; complete: boolean } {
    const explained: Explained[] = [];
    for (const group of groups)
      for (const rule of this.byGroup.get(group) ?? []) {
        if (explained.length === MAX_EXPLAINED) return { explained, complete: false };
        explained.push({ rule, whyNot: whyNot(rule, action, resource) });
      }
    return { explained, complete: true };
  }

  /** Pauses now and then. */
  private *compile(): Generator<void> {
    const { groups } = this.data;
    for (const group of [...groups.keys()].sort()) {
      const own: Rule[] = [];
      this.byGroup.set(group, own);
      for (const { effect, action, resource } of groups.get(group)!) {
        const rule = { index: this.all.length, group, effect, action, resource };
        own.push(rule);
        this.all.push(rule);
        this.matcher.add(rule);
        if (this.all.length % RULES_IN_A_TURN === 0) yield;
      }
    }
  }

  private decisionBy(rule: Rule): Decision {
    const { group, effect, action, resource } = rule;
    const allowed = effect === 'allow';
    const reason = `group ${group} ${allowed ? 'may' : 'must not'} ${action} ${resource}`;
    return { allowed, reason, rule, policyVersion: this.version };
  }
}

function noRule(groups: readonly string[]): string {
  if (groups.length === 0) return 'the ghost belongs to no group';
  if (groups.length <= MAX_NAMED) return `no rule of ${groups.join(', ')} allows it`;
  return `no rule of ${groups.slice(0, MAX_NAMED).join(', ')} and ${groups.length - MAX_NAMED} more allows it`;
}

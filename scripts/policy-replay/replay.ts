import { isDeepStrictEqual } from 'node:util';
import { decisionMetadata, type DecisionMetadata } from '#contracts';
import { inputDigest, type Decider, type Rule } from '../../apps/gatekeeper/src/policy/core/index.js';
import { type StoredDecision } from './decision-pages.js';
import { PolicyUnknown } from './kept-policies.js';

export type Outcome = 'ALLOWED' | 'DENIED';

/** Decisions that were one thing and are another now. */
export interface Change {
  ghost_id: string;
  action: string;
  resource: string;
  was: Outcome;
  now: Outcome;
  old_rule: Rule | null;
  new_rule: Rule | null;
  count: number;
  /** One of them. */
  example: string;
}

export interface Altered {
  id: string;
  timestamp: string;
  problem: string;
}

export interface Replayed {
  decisions: number;
  same: number;
  /** Decided otherwise now, by what they are. */
  now_denied: number;
  now_allowed: number;
  /** The same, but by another rule, or of other groups, than is recorded. Only under the recorded policy. */
  otherwise: number;
  changes: Change[];
  /** Changes that are counted, but no longer told apart. */
  more_changes: number;
  /** Events that are not what was recorded. */
  altered: Altered[];
  altered_count: number;
  /** Policies that are missing, and how many decisions were made under each. */
  unknown: { version: string; problem: string; decisions: number }[];
  undecided: number;
  /** Decisions without a digest: of an older release, or robbed of it. They are not looked at. */
  undigested: number;
}

export interface ReplayOptions {
  pages: AsyncIterable<readonly StoredDecision[]>;
  /** The policy that decides, given the version that decided. */
  policyOf: (version: string) => Promise<Decider | PolicyUnknown>;
  /** Whether that is the one that decided: then the rule must be the same too, and the groups that were asked. */
  recorded: boolean;
  progress?: (decisions: number) => void;
}

/** What is told apart at most; the rest is counted. */
const MAX_TOLD = 10_000;
/** As many groups stand in an event that would have been too large. */
const TOO_LARGE_GROUPS = 10;

/** Decides again what was decided. Its memory does not grow with the number of decisions. */
export async function replay({ pages, policyOf, recorded, progress }: ReplayOptions): Promise<Replayed> {
  const tally = new Tally();
  for await (const page of pages) {
    for (const decision of page) {
      const metadata = tally.begin(decision);
      if (!metadata) continue;
      const policy = await policyOf(metadata.policy_version);
      if (policy instanceof PolicyUnknown) tally.unknown(metadata.policy_version, policy);
      else tally.compare(decision, metadata, policy, recorded);
    }
    progress?.(tally.result.decisions);
  }
  return tally.finish();
}

class Tally {
  readonly result: Replayed = {
    decisions: 0,
    same: 0,
    now_denied: 0,
    now_allowed: 0,
    otherwise: 0,
    changes: [],
    more_changes: 0,
    altered: [],
    altered_count: 0,
    unknown: [],
    undecided: 0,
    undigested: 0,
  };
  private readonly changes = new Map<string, Change>();
  private readonly missing = new Map<string, Replayed['unknown'][number]>();

  /** @returns undefined when the event is not what was recorded, or cannot be checked */
  begin(decision: StoredDecision): DecisionMetadata | undefined {
    if (!decision.digested) {
      this.result.undigested++;
      return undefined;
    }
    this.result.decisions++;
    const { id, timestamp, tenant_id: tenant, ghost_id: ghost, action, resource, result } = decision;
    const alter = (problem: string): undefined => {
      this.result.altered_count++;
      if (this.result.altered.length < MAX_TOLD) this.result.altered.push({ id, timestamp, problem });
    };
    if (ghost === null) return alter('it names no ghost');
    if (result !== 'ALLOWED' && result !== 'DENIED') return alter(`its result is ${result}, which is no decision`);
    const parsed = decisionMetadata.safeParse(decision.metadata);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return alter(`its metadata are not those of a decision: ${issue?.path.join('.')}: ${issue?.message}`);
    }
    const { input, input_digest } = parsed.data;
    if (inputDigest({ tenant, ghost, groups: input.groups, action, resource }) !== input_digest)
      return alter('its digest is of another input');
    return parsed.data;
  }

  unknown(version: string, { problem }: PolicyUnknown): void {
    this.result.undecided++;
    const known = this.missing.get(version);
    if (known) known.decisions++;
    else if (this.missing.size < MAX_TOLD) this.missing.set(version, { version, problem, decisions: 1 });
  }

  compare(decision: StoredDecision, metadata: DecisionMetadata, policy: Decider, recorded: boolean): void {
    const { action, resource, result } = decision;
    const was = result as Outcome;
    const groups = policy.groupsOf(decision.ghost_id!, metadata.input.groups);
    const { allowed, rule } = policy.decide(groups, action, resource);
    const now: Outcome = allowed ? 'ALLOWED' : 'DENIED';
    const same = was === now && (!recorded || (isDeepStrictEqual(rule, metadata.rule) && areGroups(groups, metadata)));
    if (same) {
      this.result.same++;
      return;
    }
    if (was === now) this.result.otherwise++;
    else if (allowed) this.result.now_allowed++;
    else this.result.now_denied++;
    this.change({
      ghost_id: decision.ghost_id!,
      action,
      resource,
      was,
      now,
      old_rule: metadata.rule,
      new_rule: rule,
      count: 1,
      example: decision.id,
    });
  }

  /** The most frequent changes first. */
  finish(): Replayed {
    this.result.changes = [...this.changes.values()].sort((a, b) => b.count - a.count);
    this.result.unknown = [...this.missing.values()];
    return this.result;
  }

  private change(change: Change): void {
    const { count: _, example: __, ...kind } = change;
    const key = JSON.stringify(kind);
    const known = this.changes.get(key);
    if (known) known.count++;
    else if (this.changes.size < MAX_TOLD) this.changes.set(key, change);
    else this.result.more_changes++;
  }
}

function areGroups(groups: readonly string[], { groups: stored, too_large }: DecisionMetadata): boolean {
  return isDeepStrictEqual(too_large ? groups.slice(0, TOO_LARGE_GROUPS) : groups, stored);
}

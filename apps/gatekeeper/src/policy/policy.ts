import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { name } from '#contracts';

/** Unknown members are refused: a rule that is misspelt must not be a rule that is silently weaker. */
const permission = z.strictObject({ action: name, resource: z.string().min(1).max(1000) });
const policyFile = z.strictObject({
  groups: z.record(name, z.strictObject({ permissions: z.array(permission) })),
  ghost_mappings: z.record(name, z.array(name)).default({}),
});
type PolicyFile = z.output<typeof policyFile>;

export interface Rule {
  group: string;
  action: string;
  resource: string;
}

export interface Decision {
  allowed: boolean;
  reason: string;
  /** The rule that allowed it. */
  rule: Rule | null;
  policyVersion: string;
}

/** The policy file cannot be used; the message says where and why. */
export class PolicyError extends Error {
  readonly code = 'policy_invalid';
}

/** An access policy: what each group may do, and which groups each ghost has. Immutable. */
export class Policy {
  /** SHA-256, in hex, of the policy as canonical JSON (RFC 8785): comments and layout of the file do not count. */
  readonly version: string;
  readonly rules: readonly Rule[];
  private readonly byGroup = new Map<string, Rule[]>();
  private readonly mappings: ReadonlyMap<string, readonly string[]>;

  private constructor(file: PolicyFile) {
    for (const [group, { permissions }] of Object.entries(file.groups))
      this.byGroup.set(
        group,
        permissions.map((permission) => ({ group, ...permission })),
      );
    this.rules = [...this.byGroup.values()].flat();
    this.mappings = new Map(Object.entries(file.ghost_mappings));
    this.version = createHash('sha256')
      .update(canonicalize(file) ?? '')
      .digest('hex');
  }

  /** @throws PolicyError with line and reason */
  static parse(yaml: string): Policy {
    let document: unknown;
    try {
      document = parseYaml(yaml);
    } catch (error) {
      throw new PolicyError(error instanceof YAMLParseError ? error.message : String(error), { cause: error });
    }
    const parsed = policyFile.safeParse(document);
    if (parsed.success) return new Policy(parsed.data);
    const reasons = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'policy'}: ${issue.message}`);
    throw new PolicyError(reasons.join('; '), { cause: parsed.error });
  }

  get groupCount(): number {
    return this.byGroup.size;
  }

  /** The groups of a ghost: those it is mapped to, and those that its token names. */
  groupsOf(ghost: string, tokenGroups: readonly string[]): string[] {
    return [...new Set([...(this.mappings.get(ghost) ?? []), ...tokenGroups])];
  }

  decide(groups: readonly string[], action: string, resource: string): Decision {
    for (const rule of this.rulesOf(groups)) {
      if (whyNot(rule, action, resource) !== undefined) continue;
      const reason = `group ${rule.group} may ${rule.action} ${rule.resource}`;
      return { allowed: true, reason, rule, policyVersion: this.version };
    }
    const reason = groups.length === 0 ? 'the ghost belongs to no group' : `no rule of ${groups.join(', ')} allows it`;
    return { allowed: false, reason, rule: null, policyVersion: this.version };
  }

  /** Every rule that was considered, with what speaks against it; nothing does where it matches. */
  explain(groups: readonly string[], action: string, resource: string): { rule: Rule; whyNot: string | undefined }[] {
    return this.rulesOf(groups).map((rule) => ({ rule, whyNot: whyNot(rule, action, resource) }));
  }

  private rulesOf(groups: readonly string[]): Rule[] {
    return groups.flatMap((group) => this.byGroup.get(group) ?? []);
  }
}

function whyNot(rule: Rule, action: string, resource: string): string | undefined {
  if (!matches(rule.action, action)) return `its action is ${rule.action}`;
  if (!matches(rule.resource, resource)) return `its resource is ${rule.resource}`;
  return undefined;
}

/** `*` matches all, `prefix/*` what lies below the prefix, anything else itself. */
function matches(pattern: string, value: string): boolean {
  if (pattern === '*') return true;
  if (!pattern.endsWith('/*')) return pattern === value;
  const prefix = pattern.slice(0, -1);
  return value.length > prefix.length && value.startsWith(prefix);
}

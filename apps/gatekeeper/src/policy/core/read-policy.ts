import { z } from 'zod';
import { name, text } from '#contracts';
import { POLICY_LIMITS, type Permission, type PolicyData } from './policy-data.js';
import { YamlReader, type Value } from './yaml-reader.js';

const resource = text(1000, 1);
const effect = z.enum(['allow', 'deny'], 'expected allow or deny');

/**
 * Reads a policy file: `groups.<name>.permissions[] {action, resource, effect?}` and `ghost_mappings.<ghost>: [groups]`.
 *
 * @throws PolicyError with line, column and reason
 */
export function readPolicy(yaml: string): PolicyData {
  return new PolicyReader(yaml).read();
}

class PolicyReader {
  private readonly yaml: YamlReader;
  private rules = 0;

  constructor(yaml: string) {
    this.yaml = new YamlReader(yaml);
  }

  read(): PolicyData {
    const { root } = this.yaml;
    const { groups, ghost_mappings } = this.yaml.struct(root, ['groups', 'ghost_mappings']);
    if (!groups) this.yaml.problem(root.at, 'groups: is required');
    const data = {
      groups: this.named(groups, 'groups', POLICY_LIMITS.groups, (group) => this.permissions(group)),
      mappings: this.named(ghost_mappings, 'ghosts', POLICY_LIMITS.ghosts, (ghost) => this.names(ghost)),
    };
    this.yaml.finish();
    return data;
  }

  private named<T>(value: Value | undefined, what: string, max: number, read: (of: Value) => T): Map<string, T> {
    const map = new Map<string, T>();
    if (!value) return map;
    for (const [key, member] of this.yaml.members(value, what, max))
      map.set(this.yaml.check(key, member, name), read(member));
    return map;
  }

  private permissions(group: Value): Permission[] {
    const { permissions } = this.yaml.struct(group, ['permissions']);
    if (!permissions) {
      this.yaml.problem(group.at, `${group.path}.permissions: is required`);
      return [];
    }
    return [...this.yaml.items(permissions, POLICY_LIMITS.rules)].map((item) => this.permission(item));
  }

  private permission(item: Value): Permission {
    // Counted over all groups, because an alias can stand for many of them.
    if (++this.rules > POLICY_LIMITS.rules)
      this.yaml.stop(item, `is one rule more than the ${POLICY_LIMITS.rules} that are taken`);
    const members = this.yaml.struct(item, ['action', 'resource', 'effect']);
    const required = (member: 'action' | 'resource', schema: z.ZodType<string>) => {
      const value = members[member];
      if (value) return this.yaml.text(value, schema);
      this.yaml.problem(item.at, `${item.path}.${member}: is required`);
      return '';
    };
    return {
      effect: members.effect ? this.effect(members.effect) : 'allow',
      action: required('action', name),
      resource: required('resource', resource),
    };
  }

  private effect(value: Value): Permission['effect'] {
    return this.yaml.check(this.yaml.text(value, z.string()), value, effect);
  }

  private names(ghost: Value): string[] {
    return [...this.yaml.items(ghost, POLICY_LIMITS.groupsOfGhost)].map((item) => this.yaml.text(item, name));
  }
}

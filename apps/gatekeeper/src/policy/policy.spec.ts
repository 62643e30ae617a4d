import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Policy, PolicyError } from './policy.js';

const policy = Policy.parse(`
groups:
  admin: { permissions: [{ action: '*', resource: '*' }] }
  librarian: { permissions: [{ action: execute, resource: shells/* }, { action: read, resource: vaults/public }] }
ghost_mappings: { Librarian: [librarian] }
`);

describe('Policy', () => {
  it.each([
    ['shells/l1/echo', true],
    ['shells/l2/meta-llama/Meta-Llama-3-70B-Instruct', true],
    ['shells/', false],
    ['shells', false],
    ['shellsx/l1', false],
    ['SHELLS/l1/echo', false],
  ])('prefix/* and %s: %s', (resource, allowed) => {
    expect(policy.decide(['librarian'], 'execute', resource).allowed).toBe(allowed);
  });

  it('matches anything else exactly', () => {
    expect(policy.decide(['librarian'], 'read', 'vaults/public').allowed).toBe(true);
    expect(policy.decide(['librarian'], 'read', 'vaults/public/x').allowed).toBe(false);
    expect(policy.decide(['librarian'], 'write', 'vaults/public').allowed).toBe(false);
  });

  it('denies who has no group, and groups that it does not know', () => {
    expect(policy.decide([], 'read', 'x')).toMatchObject({ allowed: false, rule: null });
    expect(policy.decide(['nobody'], 'read', 'x').allowed).toBe(false);
    expect(policy.decide(['__proto__', 'constructor'], 'read', 'x').allowed).toBe(false);
  });

  it('adds the groups of a token to those of the mapping', () => {
    expect(policy.groupsOf('Librarian', ['admin', 'librarian'])).toEqual(['librarian', 'admin']);
    expect(policy.groupsOf('constructor', [])).toEqual([]);
  });

  it('has a version that depends on the rules, not on comments, layout or the order of members', () => {
    const one = Policy.parse('groups: { a: { permissions: [{ action: x, resource: y }] }, b: { permissions: [] } }');
    const same = Policy.parse(
      '# comment\ngroups:\n  b: {permissions: []}\n  a:\n    permissions:\n      - resource: y\n        action: x\n',
    );
    const other = Policy.parse('groups: { a: { permissions: [{ action: x, resource: z }] }, b: { permissions: [] } }');
    expect(same.version).toBe(one.version);
    expect(other.version).not.toBe(one.version);
  });

  it.each([
    ['no YAML', 'groups: [', /line 1/],
    ['an empty file', '', /expected object/i],
    ['a misspelt member', 'groups: { a: { permission: [] } }', /groups\.a/],
    [
      'a rule with an effect that it does not know',
      'groups: { a: { permissions: [{ action: x, resource: y, effect: deny }] } }',
      /effect/,
    ],
  ])('refuses %s, saying where', (_name, yaml, message) => {
    expect(() => Policy.parse(yaml)).toThrow(PolicyError);
    expect(() => Policy.parse(yaml)).toThrow(message);
  });

  it('explains each rule just as it decides', () => {
    const word = fc.constantFrom('read', 'execute', '*', 'shells/*', 'shells/a', 'vaults/public', 'x');
    fc.assert(
      fc.property(fc.subarray(['admin', 'librarian', 'nobody']), word, word, (groups, action, resource) => {
        const matching = policy.explain(groups, action, resource).filter(({ whyNot }) => whyNot === undefined);
        const decision = policy.decide(groups, action, resource);
        expect(decision.allowed).toBe(matching.length > 0);
        expect(decision.rule).toBe(matching[0]?.rule ?? null);
      }),
    );
  });
});

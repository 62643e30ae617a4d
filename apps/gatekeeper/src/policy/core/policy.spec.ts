import { describe, expect, it } from '@jest/globals';
import { NO_POLICY } from './no-policy.js';
import { Policy } from './policy.js';
import { readPolicy } from './read-policy.js';

const parse = (yaml: string) => Policy.of(readPolicy(yaml));

const policy = parse(`
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

  it('lets a deny of any group beat every allow, whatever stands first', () => {
    const denying = parse(`
      groups:
        admin: { permissions: [{ action: '*', resource: '*' }] }
        barred:
          permissions:
            - { action: read, resource: docs/* }
            - { action: '*', resource: docs/secret/*, effect: deny }
            - { action: read, resource: docs/secret/plans, effect: deny }`);
    for (const groups of [
      ['admin', 'barred'],
      ['barred', 'admin'],
    ])
      expect(denying.decide(groups, 'read', 'docs/secret/plans')).toEqual({
        allowed: false,
        reason: 'group barred must not * docs/secret/*',
        rule: { index: 2, group: 'barred', effect: 'deny', action: '*', resource: 'docs/secret/*' },
        policyVersion: denying.version,
      });
    expect(denying.decide(['barred'], 'read', 'docs/open')).toMatchObject({ allowed: true, rule: { index: 1 } });
    expect(denying.decide(['admin'], 'read', 'docs/secret/plans')).toMatchObject({ allowed: true, rule: { index: 0 } });
  });

  it('takes names that JavaScript objects have of their own for names like any other', () => {
    const odd = parse(`
      groups:
        __proto__: { permissions: [{ action: constructor, resource: toString }] }
        constructor: { permissions: [{ action: __proto__, resource: hasOwnProperty/*, effect: deny }] }
      ghost_mappings: { __proto__: [__proto__], toString: [constructor] }`);
    expect(odd.groupsOf('__proto__', [])).toEqual(['__proto__']);
    expect(odd.decide(['__proto__'], 'constructor', 'toString').allowed).toBe(true);
    expect(odd.decide(['constructor'], '__proto__', 'hasOwnProperty/x').rule).toMatchObject({ effect: 'deny' });
    expect(odd.decide(['toString', 'valueOf'], 'constructor', 'toString').rule).toBeNull();
    const again = Policy.fromCanonical(JSON.parse(odd.canonical));
    expect(again.version).toBe(odd.version);
    expect(again.rules).toEqual(odd.rules);
  });

  it('gives a reason that fits into an event, also with a hundred groups', () => {
    const groups = Array.from({ length: 100 }, (_, i) => String(i).padEnd(200, 'x'));
    const { reason } = policy.decide(groups, 'read', 'x');
    expect(reason.length).toBeLessThan(4000);
    expect(reason).toMatch(/and 90 more allows it$/);
  });

  it('explains the first thousand rules, and says when there are more', () => {
    const large = Policy.of({
      groups: new Map([
        ['g', Array.from({ length: 1001 }, (_, i) => ({ effect: 'allow' as const, action: 'a', resource: `r${i}` }))],
      ]),
      mappings: new Map(),
    });
    expect(large.decide(['g'], 'a', 'r1000').rule).toMatchObject({ index: 1000 });
    const { explained, complete } = large.explain(['g'], 'a', 'r1000');
    expect([explained.length, complete]).toEqual([1000, false]);
    expect(policy.explain(['admin', 'librarian'], 'read', 'vaults/public')).toMatchObject({ complete: true });
  });

  it('denies everything where there is none, and says so', () => {
    const groups = NO_POLICY.groupsOf('Librarian', ['admin']);
    expect(NO_POLICY.decide(groups, 'read', 'x')).toEqual({
      allowed: false,
      reason: 'no policy is loaded',
      rule: null,
      policyVersion: 'no-policy',
    });
  });
});

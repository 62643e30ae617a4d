import { describe, expect, it } from '@jest/globals';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { canonicalPolicy, fromCanonical, versionOf } from './canonical.js';
import { inputDigest } from './input-digest.js';
import { type PolicyData } from './policy-data.js';
import { PolicyError } from './policy-error.js';
import { Policy } from './policy.js';
import { readPolicy } from './read-policy.js';

const word = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }),
  fc.constantFrom('10', '9', '€', '\u{1F600}', '\ufb33'),
);
const permission = fc.record({
  effect: fc.constantFrom<('allow' | 'deny')[]>('allow', 'deny'),
  action: word,
  resource: word,
});
const data: fc.Arbitrary<PolicyData> = fc.record({
  groups: fc.array(fc.tuple(word, fc.array(permission, { maxLength: 3 }))).map((all) => new Map(all)),
  mappings: fc.array(fc.tuple(word, fc.array(word, { maxLength: 3 }))).map((all) => new Map(all)),
});

/** As an object, for the library to write. */
function plain({ groups, mappings }: PolicyData): object {
  return {
    groups: Object.fromEntries(
      [...groups].map(([name, permissions]) => [
        name,
        {
          permissions: permissions.map(({ effect, ...rest }) => (effect === 'deny' ? { effect, ...rest } : rest)),
        },
      ]),
    ),
    ghost_mappings: Object.fromEntries(mappings),
  };
}

describe('the canonical form', () => {
  it('is what RFC 8785 says', () => {
    fc.assert(fc.property(data, (policy) => expect(canonicalPolicy(policy)).toBe(canonicalize(plain(policy)))));
  });

  it('can be read again', () => {
    fc.assert(
      fc.property(data, (policy) => {
        const canonical = canonicalPolicy(policy);
        expect(canonicalPolicy(fromCanonical(JSON.parse(canonical)))).toBe(canonical);
      }),
    );
  });

  it.each([[null], ['x'], [{}], [{ groups: {}, ghost_mappings: [] }], [{ groups: { a: {} }, ghost_mappings: {} }]])(
    'is refused when it is %j',
    (json) => {
      expect(() => fromCanonical(json)).toThrow(PolicyError);
    },
  );

  it('gives a version that depends on what the policy says, not on how', () => {
    const version = (yaml: string) => Policy.of(readPolicy(yaml)).version;
    const one = version('groups: { a: { permissions: [{ action: x, resource: y }] }, b: { permissions: [] } }');
    const same = version(
      '# comment\ngroups:\n  b: {permissions: []}\n  a:\n    permissions:\n      - resource: y\n        action: x\n        effect: allow\nghost_mappings: {}\n',
    );
    expect(same).toBe(one);
    expect(version('groups: { a: { permissions: [{ action: x, resource: z }] }, b: { permissions: [] } }')).not.toBe(
      one,
    );
    expect(
      version('groups: { a: { permissions: [{ action: x, resource: y, effect: deny }] }, b: { permissions: [] } }'),
    ).not.toBe(one);
  });

  it('of a policy without denies is as it always was', () => {
    const yaml = 'groups: { a: { permissions: [{ action: x, resource: y }] } }';
    const always = '{"ghost_mappings":{},"groups":{"a":{"permissions":[{"action":"x","resource":"y"}]}}}';
    expect(Policy.of(readPolicy(yaml)).version).toBe(versionOf(always));
  });
});

describe('the digest of an input', () => {
  it('is taken of canonical JSON', () => {
    fc.assert(
      fc.property(word, word, fc.array(word), word, word, (tenant, ghost, groups, action, resource) => {
        const canonical = canonicalize({ tenant_id: tenant, ghost_id: ghost, groups, action, resource });
        expect(inputDigest({ tenant, ghost, groups, action, resource })).toBe(`sha256:${versionOf(canonical!)}`);
      }),
    );
  });
});

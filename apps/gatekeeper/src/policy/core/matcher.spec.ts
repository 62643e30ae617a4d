import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Effect, type PolicyData } from './policy-data.js';
import { Policy } from './policy.js';
import { matches, type Rule } from './rule.js';

/** Few segments, so that prefixes overlap and requests hit. */
const segment = fc.constantFrom('a', 'b', 'aa', '', '*', '__proto__', 'é');
const path = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => segments.join('/') || 'a');
const pattern = fc.oneof(
  { weight: 1, arbitrary: fc.constant('*') },
  { weight: 4, arbitrary: path.map((prefix) => `${prefix}/*`) },
  { weight: 1, arbitrary: fc.constant('/*') },
  { weight: 4, arbitrary: path },
);
const effect = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Effect>('allow') },
  { weight: 1, arbitrary: fc.constant<Effect>('deny') },
);
const group = fc.constantFrom('g1', 'g2', 'g3', '10', '9', '__proto__', 'constructor');
const permissions = fc.array(fc.record({ effect, action: pattern, resource: pattern }), { maxLength: 12 });
const policies = fc
  .array(fc.tuple(group, permissions), { maxLength: 7 })
  .map((groups): PolicyData => ({ groups: new Map(groups), mappings: new Map() }));
const request = fc.record({ groups: fc.uniqueArray(group), action: path, resource: path });

/** The rules one by one, as the contract has them: the first deny that matches, else the first allow. */
function naive({ groups }: PolicyData, asked: readonly string[], action: string, resource: string): Rule | undefined {
  const names = [...groups.keys()].sort();
  const rules = names.flatMap((name) => groups.get(name)!.map((permission) => ({ group: name, ...permission })));
  const mine = asked.flatMap((name) =>
    rules.map((rule, index) => ({ index, ...rule })).filter((rule) => rule.group === name),
  );
  const hits = mine.filter((rule) => matches(rule.action, action) && matches(rule.resource, resource));
  return hits.find((rule) => rule.effect === 'deny') ?? hits[0];
}

describe('the matcher', () => {
  it('decides as the naive one does, by the same rule, whatever the policy and the request', () => {
    fc.assert(
      fc.property(policies, fc.array(request, { minLength: 1, maxLength: 12 }), (data, requests) => {
        const policy = Policy.of(data);
        for (const { groups, action, resource } of requests) {
          const expected = naive(data, groups, action, resource);
          const decision = policy.decide(groups, action, resource);
          expect(decision.rule).toEqual(expected ?? null);
          expect(decision.allowed).toBe(expected?.effect === 'allow');
        }
      }),
      { numRuns: 700 },
    );
  });

  it('decides as the explanation says', () => {
    fc.assert(
      fc.property(policies, request, (data, { groups, action, resource }) => {
        const policy = Policy.of(data);
        const matching = policy
          .explain(groups, action, resource)
          .explained.filter(({ whyNot }) => whyNot === undefined);
        const deciding = matching.find(({ rule }) => rule.effect === 'deny') ?? matching[0];
        expect(policy.decide(groups, action, resource).rule).toBe(deciding?.rule ?? null);
      }),
      { numRuns: 300 },
    );
  });

  it('decides the same after a policy went through its canonical form', () => {
    fc.assert(
      fc.property(policies, request, (data, { groups, action, resource }) => {
        const policy = Policy.of(data);
        const again = Policy.fromCanonical(JSON.parse(policy.canonical));
        expect(again.decide(groups, action, resource)).toEqual(policy.decide(groups, action, resource));
      }),
      { numRuns: 300 },
    );
  });

  /** Microseconds for one, the best of many rounds that are shorter than a processor's turns: others use it too. */
  function microseconds(work: () => void, times: number): number {
    let best = Infinity;
    for (let round = 0; round < 100; round++) {
      const started = performance.now();
      for (let i = 0; i < times; i++) work();
      best = Math.min(best, ((performance.now() - started) * 1000) / times);
    }
    return best;
  }

  const wide = (rules: number): Policy => {
    const of = (g: number) =>
      Array.from({ length: 100 }, (_, i) => ({
        effect: i % 10 === 9 ? ('deny' as const) : ('allow' as const),
        action: i % 3 === 0 ? 'execute' : `verb${i % 7}`,
        resource: i % 2 === 0 ? `shells/l${g}/model-${i}/*` : `vaults/${g}/${i}`,
      }));
    const groups = Array.from({ length: rules / 100 }, (_, g) => [`group-${g}`, of(g)] as const);
    return Policy.of({ groups: new Map(groups), mappings: new Map() });
  };

  it('takes about as long with 100,000 rules as with 1,000', () => {
    const [small, large] = [wide(1000), wide(100_000)];
    const one = (policy: Policy) => {
      expect(policy.decide(['group-3', 'group-7'], 'execute', 'shells/l7/model-6/x').allowed).toBe(true);
      return microseconds(() => policy.decide(['group-3', 'group-7'], 'execute', 'shells/l7/model-6/x'), 500);
    };
    const [few, many] = [one(small), one(large)];
    // A linear search would take a hundred times as long.
    expect(many / few).toBeLessThan(20);
  });

  it('does not let a hostile resource, or many groups, make it slow', () => {
    const deep = 'a/'.repeat(500).slice(0, 999);
    const nested = Array.from({ length: 499 }, (_, i) => ({
      effect: 'deny' as const,
      action: 'nothing',
      resource: `${'a/'.repeat(i + 1)}*`,
    }));
    const names = Array.from({ length: 100 }, (_, i) => `g${i}`);
    const deeply = names.slice(0, 20);
    const policy = Policy.of({ groups: new Map(deeply.map((name) => [name, nested])), mappings: new Map() });
    const hostile = [deep, '/'.repeat(1000), 'a'.repeat(1000), `${'a/'.repeat(499)}b`];
    for (const resource of hostile)
      for (const action of ['nothing', 'else'])
        expect(microseconds(() => policy.decide(deeply, action, resource), 1)).toBeLessThan(10_000);
    const ordinary = wide(1000);
    for (const resource of hostile)
      expect(microseconds(() => ordinary.decide(names, 'execute', resource), 10)).toBeLessThan(200);
  });
});

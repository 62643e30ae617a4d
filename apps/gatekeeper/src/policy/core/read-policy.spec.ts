import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compilePolicy } from './compile-policy.js';
import { PolicyError } from './policy-error.js';
import { Policy } from './policy.js';
import { readPolicy } from './read-policy.js';

const refusal = (yaml: string): PolicyError => {
  try {
    readPolicy(yaml);
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};
const group = (permission: string) => `groups:\n  a:\n    permissions:\n      - ${permission}\n`;

describe('reading a policy file', () => {
  it('gives what it says, aliases and quoted names too', () => {
    const { groups, mappings } = readPolicy(`
groups:
  readers: &readers
    permissions:
      - &docs { action: read, resource: docs/* }
  'writers of 2026':
    permissions: [*docs, { action: write, resource: "docs/\\u00e9", effect: deny }]
  copy: *readers
ghost_mappings: { Scout: [readers, 2026], null: [yes] }
`);
    expect([...groups]).toEqual([
      ['readers', [{ effect: 'allow', action: 'read', resource: 'docs/*' }]],
      [
        'writers of 2026',
        [
          { effect: 'allow', action: 'read', resource: 'docs/*' },
          { effect: 'deny', action: 'write', resource: 'docs/é' },
        ],
      ],
      ['copy', [{ effect: 'allow', action: 'read', resource: 'docs/*' }]],
    ]);
    expect([...mappings]).toEqual([
      ['Scout', ['readers', '2026']],
      ['null', ['yes']],
    ]);
  });

  it.each([
    ['no YAML', 'groups: [', 1, 10, /flow/i],
    ['tabs', 'groups:\n\ta: x\n', 2, 1, /tab/i],
    ['an empty file', '', 1, 1, /expected object/],
    ['a list', '- a\n', 1, 1, /expected object/],
    ['two documents', 'groups: {}\n---\ngroups: {}\n', 2, 1, /multiple documents/i],
    ['no groups', 'ghost_mappings: {}\n', 1, 1, /groups: is required/],
    ['a misspelt member', 'groups:\n  a:\n    permissons: []\n', 3, 17, /groups\.a\.permissons: is not known here/],
    ['an unknown member beside the groups', 'groups: {}\nrules: []\n', 2, 8, /rules: is not known/],
    [
      'a group twice',
      'groups:\n  a: { permissions: [] }\n  a: { permissions: [] }\n',
      3,
      3,
      /groups\.a: is there twice/,
    ],
    [
      'an effect twice',
      group('{ action: x, effect: allow, resource: y, effect: deny }'),
      4,
      50,
      /effect: is there twice/,
    ],
    ['an unknown effect', group('{ action: x, resource: y, effect: maybe }'), 4, 43, /effect: expected allow or deny/],
    ['an effect of another case', group('{ action: x, resource: y, effect: Deny }'), 4, 43, /expected allow or deny/],
    ['a rule without an action', group('{ resource: y }'), 4, 9, /permissions\.0\.action: is required/],
    ['a rule with an empty resource', group("{ action: x, resource: '' }"), 4, 32, /resource: /],
    ['a rule that is text', group('read'), 4, 9, /permissions\.0: expected object/],
    ['permissions that are no list', 'groups: { a: { permissions: x } }', 1, 29, /expected a list/],
    [
      'a mapping that is text',
      'groups: {}\nghost_mappings: { Scout: admin }\n',
      2,
      26,
      /ghost_mappings\.Scout: expected a list/,
    ],
    ['a key that is a list', 'groups: { [a]: { permissions: [] } }', 1, 11, /expected a name/],
    ['a tag', group('{ action: !!int 5, resource: y }'), 4, 19, /tag/i],
    ['a tag of its own', group('{ action: !js/function "x", resource: y }'), 4, 19, /tag/i],
    ['a merge key', 'groups:\n  a: &a { permissions: [] }\n  b: { <<: *a }\n', 3, 12, /groups\.b\.<<: is not known/],
    ['an alias of nothing', 'groups: { a: *b }', 1, 14, /alias|before it/i],
    ['a control character', group('{ action: "x\\u0001", resource: y }'), 4, 19, /control characters/],
    ['a NUL', group('{ action: x, resource: "y\\0" }'), 4, 32, /NUL/],
  ])('refuses %s, saying where', (_name, yaml, line, column, reason) => {
    const error = refusal(yaml);
    expect({ ...error.place, message: error.message }).toEqual({
      line,
      column,
      message: expect.stringMatching(reason),
    });
    expect(error.message).toContain(`line ${line}, column ${column}: `);
  });

  it('names several problems, but not without end', () => {
    const rules = Array.from({ length: 50 }, () => '      - { action: x }').join('\n');
    const { message, place } = refusal(`groups:\n  a:\n    permissions:\n${rules}\n`);
    expect(place).toEqual({ line: 4, column: 9 });
    expect(message.split('; ')).toHaveLength(10);
  });

  it('bounds aliases, so that a small file cannot become a large one', () => {
    const layers = Array.from({ length: 9 }, (_, i) => `  l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(9)}]`).join('\n');
    expect(refusal(`x:\n  l0: &l0 [a]\n${layers}\ngroups: {}\n`).message).toMatch(/not known/);
    const permission = '{ action: x, resource: y }';
    const many = Array.from({ length: 101 }, () => '*p').join();
    expect(refusal(`groups: { a: { permissions: [&p ${permission}, ${many}] } }`).message).toMatch(
      /one alias too many/,
    );
  });

  it('bounds rules, groups and the groups of a ghost', () => {
    const groups = Array.from({ length: 10_001 }, (_, i) => ` g${i}: {permissions: []}`).join('\n');
    expect(refusal(`groups:\n${groups}\n`).message).toMatch(/^line 1, column 1: |at most 10000/);
    const names = Array.from({ length: 101 }, (_, i) => `g${i}`).join();
    expect(refusal(`groups: {}\nghost_mappings: { Scout: [${names}] }`).message).toMatch(/at most 100/);
    const rules = '{action: x, resource: y}, '.repeat(2001);
    const copies = Array.from({ length: 99 }, (_, i) => `g${i}: *a`).join(', ');
    expect(refusal(`groups: { a: &a { permissions: [${rules}] }, ${copies} }`).message).toMatch(/200000/);
  });

  it('gives a policy or a refusal with a place, whatever the file holds', () => {
    const piece = fc.constantFrom(
      ...[
        'groups',
        'ghost_mappings',
        'permissions',
        'action',
        'resource',
        'effect',
        'deny',
        'a',
        '*a',
        '&a ',
        '<<',
        '? ',
      ],
      ...[
        ': ',
        ':',
        '- ',
        ', ',
        '{',
        '}',
        '[',
        ']',
        '\n',
        '\n  ',
        '\n    ',
        '"',
        "'",
        '#',
        '|',
        '>',
        '!!int ',
        '!x ',
        '---\n',
        '%YAML 1.1\n',
      ],
      ...['\t', '\0', '\ud800', '__proto__', '~', '@', '\u0085', '\ufeff'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const yaml = pieces.join('');
        try {
          readPolicy(yaml);
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyError);
          expect((error as PolicyError).message).toMatch(/^line [1-9]\d*, column [1-9]\d*: /);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses what is nested without end', () => {
    expect(refusal('['.repeat(100_000)).message).toMatch(/^line 1, column \d+: /);
  });
});

describe('compiling a policy file', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  it('gives the same for a large file, which a thread reads, as for a small one', async () => {
    const yaml = group('{ action: read, resource: docs/*, effect: deny }');
    const small = await compilePolicy(bytes(yaml));
    const large = await compilePolicy(bytes(`${yaml}${'# filler\n'.repeat(2000)}`));
    expect(large.version).toBe(small.version);
    expect(large.rules).toEqual(small.rules);
  });

  it('gives a policy of many rules bit by bit, and whole', async () => {
    const rules = Array.from({ length: 2500 }, (_, i) => `      - { action: a${i % 7}, resource: r/${i} }`).join('\n');
    const yaml = `groups:\n  b:\n    permissions: []\n  a:\n    permissions:\n${rules}\n`;
    const policy = await compilePolicy(bytes(yaml));
    const atOnce = Policy.of(readPolicy(yaml));
    expect([policy.version, policy.groupCount]).toEqual([atOnce.version, 2]);
    expect(policy.rules).toEqual(atOnce.rules);
    for (const i of [0, 499, 500, 2499])
      expect(policy.decide(['a'], `a${i % 7}`, `r/${i}`).rule).toMatchObject({ index: i });
  });

  it('says where a large file is wrong', async () => {
    const error = await compilePolicy(bytes(`${'# filler\n'.repeat(2000)}groups: { a: { b: c } }`)).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(PolicyError);
    expect(error).toMatchObject({ place: { line: 2001, column: 19 }, message: expect.stringContaining('groups.a.b') });
  });

  it('refuses what is not UTF-8, and what is too large', async () => {
    await expect(compilePolicy(new Uint8Array([0xff, 0xfe, 0]))).rejects.toThrow(/UTF-8/);
    await expect(compilePolicy(new Uint8Array(16 * 1024 ** 2 + 1))).rejects.toThrow(/at most 16777216/);
  });
});

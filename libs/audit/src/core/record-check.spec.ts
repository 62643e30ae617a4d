import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AUDIT_RESULTS, auditRecord, type AuditRecord } from '#contracts';
import { AuditError } from './errors.js';
import { checkRecord } from './record-check.js';

const record = (overrides: object = {}): AuditRecord => ({
  action: 'execute',
  resource: 'shells/l1/echo',
  result: 'ALLOWED',
  ...overrides,
});
const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const checked = (value: unknown) => checkRecord(value as AuditRecord);
const problemOf = (value: unknown): string => {
  try {
    checked(value);
  } catch (error) {
    if (error instanceof AuditError && error.code === 'audit_invalid') return error.message;
    throw error;
  }
  throw new Error('it was accepted');
};

const character = fc.oneof(
  { weight: 8, arbitrary: fc.string({ minLength: 1, maxLength: 1 }) },
  fc.constantFrom('\0', '\n', '\x7f', '\x80', '\xa0', '"', '\\', 'ž', '😀', '\ud800', '\udc00', '\ufeff'),
);
const text = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: character, maxLength: 30 }) },
  fc.constantFrom(0, 1, 199, 200, 201, 499, 500, 501, 999, 1000, 1001, 3999, 4000, 4001).map((n) => 'x'.repeat(n)),
);
/** What JSON has, what JavaScript has beside it, and what JSON makes something else of. */
const leaf = fc.oneof(
  { weight: 4, arbitrary: text },
  { weight: 3, arbitrary: fc.double() },
  fc.integer(),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, NaN, Infinity, 10n, Symbol('s')),
  fc.date({ noInvalidDate: false }),
  fc.constantFrom(
    () => 1,
    new Map([['a', 1]]),
    /x/,
    new (class Thing {
      a = 1;
    })(),
    Object.create({ inherited: 1 }) as object,
  ),
);
const key = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 8 }) },
  text,
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '0', '10', 'a'),
);
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, leaf, tie('object'), tie('list')),
  object: fc.dictionary(key, tie('value'), { maxKeys: 5, noNullPrototype: false }),
  list: fc.oneof({ weight: 5, arbitrary: fc.array(tie('value'), { maxLength: 5 }) }, fc.sparseArray(tie('value'))),
}));
const metadata = fc.oneof(
  { weight: 4, arbitrary: fc.dictionary(key, anyValue, { maxKeys: 6, noNullPrototype: false }) },
  { weight: 2, arbitrary: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 6 }) },
  anyValue,
  // About as deep, and about as large, as it may be.
  fc
    .integer({ min: 12, max: 20 })
    .map((depth) => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`) as object),
  fc
    .integer({ min: 12, max: 20 })
    .map((depth) => ({ a: JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`) as [] })),
  fc
    .tuple(fc.constantFrom('x', '"', 'ž', '\n', '\x01'), fc.integer({ min: 4000, max: 33_000 }), fc.integer({ max: 3 }))
    .map(([unit, length]) => ({ a: unit.repeat(length) })),
  fc.integer({ min: 32_755, max: 32_765 }).map((length) => ({ a: 'x'.repeat(length) })),
);
const name = fc.oneof({ weight: 8, arbitrary: fc.string({ minLength: 1, maxLength: 20 }) }, text, leaf);
const reference = fc.oneof({ weight: 8, arbitrary: fc.uuid() }, text, leaf);
const entity = fc.oneof(
  { weight: 9, arbitrary: fc.record({ kind: name, id: reference }) },
  fc.record({ kind: name, id: reference, more: leaf }, { requiredKeys: [] }),
  leaf,
);
/** Each member is mostly well formed, so that records are often enough. */
const anyRecord = fc.record(
  {
    tenant_id: name,
    ghost_id: name,
    shell_id: name,
    action: name,
    resource: reference,
    result: fc.oneof({ weight: 12, arbitrary: fc.constantFrom<unknown>(...AUDIT_RESULTS) }, leaf),
    reason: reference,
    request_id: reference,
    session_id: reference,
    entities: fc.oneof(
      { weight: 9, arbitrary: fc.array(entity, { maxLength: 4 }) },
      fc.integer({ min: 63, max: 66 }).map((length) => Array<object>(length).fill({ kind: 'agent', id: 'Scout' })),
      leaf,
    ),
    metadata,
    unknown_member: leaf,
  },
  { requiredKeys: ['action', 'resource', 'result'] },
);

describe('checkRecord', () => {
  it('accepts what the schema accepts, and nothing else, with the same outcome as JSON', () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyRecord, (value) => {
        const parsed = auditRecord.safeParse(value);
        if (!parsed.success) return problemOf(value).startsWith('not an audit record: ');
        accepted++;
        const output = checked(value);
        expect(json(output)).toEqual(json(parsed.data));
        // What was copied is what will be stored: nothing that JSON would change is left in it.
        expect(output).toEqual({ ...output, metadata: json(parsed.data.metadata) });
        expect(Object.keys(output)).toEqual(Object.keys(parsed.data));
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(300);
  });

  it('accepts any metadata that are JSON, on the way without the schema too', () => {
    fc.assert(
      fc.property(metadata, (value) => {
        const parsed = auditRecord.safeParse(record({ metadata: value }));
        if (!parsed.success) problemOf(record({ metadata: value }));
        else expect(checked(record({ metadata: value })).metadata).toEqual(json(parsed.data.metadata));
      }),
      { numRuns: 2000 },
    );
  });

  it('is not changed by what is done to the record afterwards', () => {
    fc.assert(
      fc.property(anyRecord, (value) => {
        if (!auditRecord.safeParse(value).success) return;
        const output = checked(value);
        const before = JSON.stringify(output);
        ruin(value);
        expect(JSON.stringify(output)).toBe(before);
      }),
      { numRuns: 1000 },
    );
  });

  it.each<[string, number[], (text: string) => object]>([
    ['tenant_id', [0, 1, 200, 201], (tenant_id) => ({ tenant_id })],
    ['ghost_id', [0, 1, 200, 201], (ghost_id) => ({ ghost_id })],
    ['shell_id', [0, 1, 200, 201], (shell_id) => ({ shell_id })],
    ['action', [0, 1, 200, 201], (action) => ({ action })],
    ['resource', [0, 1, 1000, 1001], (resource) => ({ resource })],
    ['reason', [0, 4000, 4001], (reason) => ({ reason })],
    ['request_id', [0, 200, 201], (request_id) => ({ request_id })],
    ['session_id', [0, 200, 201], (session_id) => ({ session_id })],
    ['the kind of an entity', [0, 1, 200, 201], (kind) => ({ entities: [{ kind, id: 'Scout' }] })],
    ['the id of an entity', [0, 1, 500, 501], (id) => ({ entities: [{ kind: 'agent', id }] })],
  ])('has the bounds of the schema for %s', (_name, lengths, make) => {
    for (const length of lengths) {
      const value = record(make('x'.repeat(length)));
      if (auditRecord.safeParse(value).success) expect(checked(value)).toMatchObject(value);
      else expect(problemOf(value)).toContain('characters');
    }
  });

  it('fills in what is absent, and leaves out what is not known', () => {
    expect(checked(record({ colour: 'red' }))).toEqual({
      tenant_id: 'default',
      ghost_id: null,
      shell_id: null,
      action: 'execute',
      resource: 'shells/l1/echo',
      result: 'ALLOWED',
      reason: '',
      request_id: null,
      session_id: null,
      entities: [],
      metadata: {},
    });
  });

  it.each([undefined, null, 'text', 1, [], () => record()])('refuses %p, which is no record', (value) => {
    expect(problemOf(value)).toMatch(/^not an audit record: record: /);
  });

  it('names each member that is at fault', () => {
    const problem = problemOf(record({ action: '', result: 'MAYBE', entities: [{ kind: 'agent', id: '' }] }));
    expect(problem).toMatch(/^not an audit record: action: .+; result: .+; entities\.0\.id: /);
  });

  it.each<[string, () => unknown]>([
    ['a date', () => new Date(0)],
    ['what has a toJSON', () => ({ toJSON: () => ({ a: [1] }) })],
    ['a list with a toJSON', () => Object.assign([1], { toJSON: () => 'list' })],
    ['a hidden toJSON', () => Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'hidden' })],
    ['an inherited toJSON', () => Object.create({ toJSON: () => 'inherited' }) as object],
    ['not a number', () => NaN],
    ['negative zero', () => -0],
    ['a list with holes', () => Object.assign([1], { 2: 3 })],
    ['a member called __proto__', () => JSON.parse('{"__proto__":{"a":1},"b":2}') as object],
    ['a hidden member', () => Object.defineProperty({ a: 1 }, 'b', { value: 2, enumerable: false })],
    ['absent members', () => ({ a: undefined, b: 1 })],
    ['functions and absent elements', () => [undefined, () => 1]],
  ])('keeps of %s what JSON keeps', (_name, make) => {
    const { metadata } = checked(record({ metadata: { value: make() } }));
    expect(metadata).toStrictEqual(json({ value: make() }));
    expect(Object.is((metadata as { value: unknown }).value, -0)).toBe(false);
  });

  it('refuses metadata that a symbol names a member of; further down JSON does not see it', () => {
    expect(problemOf(record({ metadata: { [Symbol('s')]: 1 } }))).toContain('metadata');
    expect(json(checked(record({ metadata: { a: { b: 1, [Symbol('s')]: 1 } } })).metadata)).toEqual({ a: { b: 1 } });
  });

  it.each([
    ['text that PostgreSQL cannot store', { toJSON: () => '\0' }],
    ['no object', Object.assign(() => 1, { toJSON: () => 1 })],
  ])('refuses metadata of which a toJSON makes %s', (_name, value) => {
    const metadata = typeof value === 'function' ? { toJSON: () => 'text' } : { value };
    expect(problemOf(record({ metadata }))).toContain('metadata');
  });

  it('refuses metadata that have no end', () => {
    const loop: Record<string, unknown> = {};
    loop['again'] = [loop];
    const endless = { toJSON: (): object => ({ next: { ...endless } }) };
    const growing = () => Object.defineProperty({}, 'next', { get: growing, enumerable: true });
    for (const metadata of [loop, { endless }, growing()])
      expect(problemOf(record({ metadata }))).toContain('audit record');
  });

  it('refuses a record whose members throw, whatever they throw', () => {
    const hostile = (thrown: unknown) => ({
      get metadata(): never {
        throw thrown;
      },
    });
    const withGetter = (getter: object) => Object.defineProperties(record(), Object.getOwnPropertyDescriptors(getter));
    expect(problemOf(withGetter(hostile(new Error('not today'))))).toBe('not an audit record: not today');
    expect(problemOf(withGetter(hostile(Object.create(null))))).toBe('not an audit record: reading it throws');
    expect(problemOf(record({ metadata: withGetter(hostile(new Error('nor here'))) }))).toContain('nor here');
    expect(problemOf(record({ metadata: new Proxy({}, { ownKeys: () => ['a', 'a'] }) }))).toContain('audit record');
  });

  it('reads a member once, so that it cannot be one thing to the check and another to the trail', () => {
    let reads = 0;
    const metadata = {
      get value() {
        return ++reads === 1 ? 'good' : '\0';
      },
    };
    expect(checked(record({ metadata })).metadata).toEqual({ value: 'good' });
  });
});

/** Changes everything in an object that can be changed. */
function ruin(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const member of Object.values(value)) ruin(member);
  if (Array.isArray(value)) value.push('ruined');
  else if (value instanceof Date) value.setTime(86_400_000);
  else for (const name of ['kind', 'id', 'ruined', ...Object.keys(value)]) Object.assign(value, { [name]: 'ruined' });
}

import { describe, expect, it } from '@jest/globals';
import { SplitError } from '../errors.js';
import { MAX_PLAN_BYTES, parsePlan } from './load-plan.js';

const URL_TEXT = 'postgres://admin:secret@db:5432/shared';
const plan = (service: string, rest = ''): string => `
name: shop
source: ${URL_TEXT}
${rest}
services:
  orders:
    target: postgres://admin@db/orders
    owner: { name: orders_owner, password_env: ORDERS_OWNER_PASSWORD }
    runtime: { name: orders, password_env: ORDERS_PASSWORD }
${service.replaceAll(/^/gm, '    ')}
`;
const minimal = plan('tables: [orders]');

function refusal(text: string, environment: Record<string, string> = {}): string {
  try {
    parsePlan(text, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(SplitError);
    expect(error).toMatchObject({ code: 'invalid_plan' });
    return (error as SplitError).message;
  }
  throw new Error('the plan was taken');
}

describe('parsePlan', () => {
  it('fills in what is not said', () => {
    expect(parsePlan(minimal, {})).toMatchObject({
      name: 'shop',
      stay: [],
      copy: { chunk_rows: 50_000, workers: 2 },
      watch: { error_rate_percent: 3, p95_ms: 1000, shadow_consistency_percent: 99.9, lag_s: 5, pool_use_percent: 80 },
      services: [
        {
          ...{ name: 'orders', schema: 'clone', strategy: 'replication', further: [], external_refs: [] },
          owner: { bypass_rls: false },
        },
      ],
    });
  });

  it('keeps the services in the order of the file', () => {
    const body = minimal.slice(minimal.indexOf('    target'));
    const text = minimal.replace('services:\n  orders:', `services:\n  zoo:\n${body}  orders:`);
    expect(parsePlan(text, {}).services.map(({ name }) => name)).toEqual(['zoo', 'orders']);
  });

  it('refuses what it does not know, at every level', () => {
    const message = refusal(plan('tables: [orders]\ntable: [x]', 'sources: y\ncopy: { chunks: 1 }'));
    for (const [key, place] of [
      ['sources', undefined],
      ['chunks', 'copy'],
      ['table', 'services.orders'],
    ] as const) {
      expect(message).toContain(`Unrecognized key: "${key}"`);
      if (place) expect(message).toContain(`at ${place}`);
    }
  });

  it('takes variables from the environment, into values only', () => {
    const text = plan('tables: ["${ORDERS_TABLE:-orders}"]').replace(URL_TEXT, '${SOURCE_URL}');
    expect(parsePlan(text, { SOURCE_URL: URL_TEXT })).toMatchObject({
      source: URL_TEXT,
      services: [{ tables: ['orders'] }],
    });
    expect(parsePlan(text, { SOURCE_URL: URL_TEXT, ORDERS_TABLE: 'old_orders' }).services[0]!.tables).toEqual([
      'old_orders',
    ]);
    // Neither a second variable, nor YAML.
    expect(refusal(text, { SOURCE_URL: URL_TEXT, ORDERS_TABLE: 'a, b' })).toContain('services.orders.tables[0]');
    expect(refusal(text, { SOURCE_URL: '${ORDERS_TABLE}', ORDERS_TABLE: 'a' })).toContain('must be a URL');
  });

  it('names every variable that is missing; an empty one is', () => {
    const text = plan('tables: ["${B}"]').replace(URL_TEXT, '${A}');
    expect(refusal(text, { B: '' })).toBe(
      'The plan is not valid:\n  ${A} is not set in the environment\n  ${B} is not set in the environment',
    );
  });

  it('takes names as SQL has them', () => {
    const tables = ['orders', 'shop.orders', '"Order Lines"', 'shop."Orders"', '"Shop"."Orders"', 'a$1'];
    const text = plan(
      `tables: ${JSON.stringify(tables)}\nreferences: [{ from: 'orders."userId"', to: 'shop."Orders".id' }]`,
    );
    expect(parsePlan(text, {}).services[0]!.tables).toEqual(tables);
    for (const wrong of ['Orders', 'a.b.c', 'a b', '"a', '"a.b"', '"a""b"', '', 'a;drop', `"${'x'.repeat(64)}"`, '1a'])
      expect(refusal(plan(`tables: [${JSON.stringify(wrong)}]`))).toContain('services.orders.tables[0]');
    expect(refusal(plan('tables: [orders]\nreferences: [{ from: id, to: b.id }]'))).toContain('must be table.column');
  });

  it('refuses keys that come twice, and what is no YAML, without a word of the file', () => {
    expect(refusal(plan('tables: [orders]\ntables: [other]'))).toMatch(/Map keys must be unique at line 11, column 5/);
    const broken = refusal(minimal.replace(`source: ${URL_TEXT}`, `source: "${URL_TEXT}`));
    expect(broken).toMatch(/at line \d+/);
    expect(broken).not.toContain('secret');
    expect(refusal('')).toContain('The plan is not valid');
    expect(refusal('- a')).toContain('expected object');
  });

  it('refuses what is too large, too deep, or refers to itself without end', () => {
    expect(refusal(`# ${'x'.repeat(MAX_PLAN_BYTES)}`)).toContain(`longer than ${MAX_PLAN_BYTES} bytes`);
    expect(refusal(`a: ${'['.repeat(200_000)}`)).toContain('The plan is not valid');
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x]',
      ...'bcdefg'.split('').map((name, index) => {
        const before = `*${'abcdef'[index]}`;
        return `${name}: &${name} [${Array<string>(9).fill(before).join(', ')}]`;
      }),
    ].join('\n');
    expect(refusal(bomb)).toMatch(/alias/i);
  });

  it('refuses a plan without services, a service without tables, a URL of something else', () => {
    expect(refusal('name: a\nsource: postgres://db/a\nservices: {}')).toContain('must name a service');
    expect(refusal(plan('tables: []'))).toContain('services.orders.tables');
    expect(refusal(minimal.replace(URL_TEXT, 'mysql://db/a'))).toContain('must be a URL such as');
  });
});

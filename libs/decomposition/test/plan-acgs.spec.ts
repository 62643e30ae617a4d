import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { escapeIdentifier } from 'pg';
import { ACGS_TABLES, createAcgs, fillAcgs } from '../samples/acgs-1/index.js';
import { readForeignKeys } from '../src/core/catalogue/foreign-keys.js';
import { create } from '../src/core/create/create.js';
import { openMove } from '../src/core/move.js';
import { checkPlan } from '../src/core/plan/check-plan.js';
import { acgsSample, type AcgsSample } from './support/acgs.js';
import { plainDatabase, type PlainDatabase } from './support/test-database.js';

const ROWS = 200;
const ALL = Object.values(ACGS_TABLES).flat();

describe('the ACGS-1 sample and its plan', () => {
  let sample: AcgsSample;
  beforeAll(async () => {
    sample = await acgsSample(ROWS);
  });
  afterAll(() => sample?.drop());

  it('has 27 tables of eight services, with as many rows in each', async () => {
    expect([Object.keys(ACGS_TABLES).length, ALL.length]).toEqual([8, 27]);
    const counts = ALL.map((table) => `(SELECT count(*)::int FROM ${table})`).join(', ');
    const { rows } = await sample.source.run(`SELECT ARRAY[${counts}] AS counts`);
    expect(rows).toEqual([{ counts: ALL.map(() => ROWS) }]);
  });

  it('holds to its constraints, which filling does not check', async () => {
    const keys = await sample.source.with((client) => readForeignKeys(client as never));
    expect(keys.length).toBeGreaterThan(30);
    const dangling: string[] = [];
    for (const { from, fromColumns, to, toColumns, name } of keys) {
      const side = (alias: string, columns: readonly string[]): string =>
        columns.map((column) => `${alias}.${escapeIdentifier(column)}`).join(', ');
      const { rows } = await sample.source.run(
        `SELECT count(*)::int AS count FROM ${from} f WHERE ROW(${side('f', fromColumns)}) IS NOT NULL
         AND NOT EXISTS (SELECT FROM ${to} t WHERE (${side('t', toColumns)}) = (${side('f', fromColumns)}))`,
      );
      if ((rows[0] as { count: number }).count > 0) dangling.push(name);
    }
    expect(dangling).toEqual([]);
    await sample.source.run(
      sample.plan.services
        .flatMap(({ references }) => references)
        .map(({ from, to }) => {
          const [[table, column], [other, key]] = [from, to].map((text) => text.split('.')) as [string[], string[]];
          return `ALTER TABLE ${table} ADD CONSTRAINT probe_${column} FOREIGN KEY (${column}) REFERENCES ${other} (${key});
                  ALTER TABLE ${table} DROP CONSTRAINT probe_${column}`;
        })
        .join(';'),
    );
  });

  it('has chains without a gap', async () => {
    const { rows } = await sample.source.run(
      `SELECT count(*) FILTER (WHERE previous_hash <> before)::int AS broken, count(DISTINCT hash)::int AS hashes FROM (
         SELECT hash, previous_hash, lag(hash, 1, repeat('0', 64)::sha256_hex) OVER (ORDER BY id) AS before FROM audit_logs
         UNION ALL
         SELECT hash, previous_hash, lag(hash, 1, repeat('0', 64)::sha256_hex) OVER (PARTITION BY chain ORDER BY position) FROM hash_chains) linked`,
    );
    expect(rows).toEqual([{ broken: 0, hashes: 2 * ROWS }]);
    const { rows: first } = await sample.source.run(
      `SELECT hash = encode(sha256(convert_to(previous_hash || ' ' || id || action || entity || payload::text, 'UTF8')), 'hex') AS real
       FROM audit_logs WHERE id = 7`,
    );
    expect(first).toEqual([{ real: true }]);
  });

  it('goes on where the generator ended', async () => {
    const insert = `INSERT INTO improvements (title, proposed_on) VALUES ('more', now()) RETURNING id`;
    const { rows } = await sample.source.run(
      `WITH made AS (${insert}) INSERT INTO self_modifications (improvement_id, diff, applied_at) SELECT id, '', now() FROM made RETURNING id`,
    );
    expect(rows).toEqual([{ id: String(ROWS + 1) }]);
    await sample.source.run(
      `DELETE FROM self_modifications WHERE id > ${ROWS}; DELETE FROM improvements WHERE title = 'more'`,
    );
  });

  it('is the same from the same seed, and another from another', async () => {
    const others: PlainDatabase[] = [];
    const digest = async (seed: number): Promise<unknown> => {
      const database = await plainDatabase();
      others.push(database);
      await createAcgs(database.url);
      await database.with((client) => fillAcgs(client, { rows: 50, seed }));
      const rows = ALL.map((table) => `SELECT '${table}' || t AS row FROM ${table} t`).join(' UNION ALL ');
      return (await database.run(`SELECT md5(string_agg(row, E'\\n' ORDER BY row)) AS digest FROM (${rows}) r`)).rows;
    };
    try {
      const [first, again, another] = [await digest(1), await digest(1), await digest(2)];
      expect(again).toEqual(first);
      expect(another).not.toEqual(first);
    } finally {
      for (const { drop } of others) await drop();
    }
  });

  it('has nothing that does not travel', async () => {
    for (const { name } of sample.plan.services) {
      const move = openMove(sample.plan, name);
      const { made } = await create(move, { dryRun: true, passwords: () => '' }).finally(() => move.close());
      expect(made.some((what) => what.startsWith('table '))).toBe(true);
    }
  });

  it('checks clean, and says what is cut, in which order', async () => {
    const report = await checkPlan(sample.plan);
    expect(report.problems).toEqual([]);
    // How many slots are free is a matter of what else runs on the server.
    const warnings = report.warnings.filter(({ code }) => code !== 'server_setting');
    expect(warnings.map(({ code, place }) => `${code} ${place}`)).toEqual(['trigger touch_updated_at()']);
    expect(report.services.flatMap(({ tables }) => tables).length).toBe(27);
    expect(report.services.every(({ rows, tables }) => rows === ROWS * tables.length)).toBe(true);
    const cuts = report.cuts.map((cut) => `${cut.from.slice(7)} -> ${cut.to.slice(7)}`);
    expect(cuts).toEqual([
      'audit_logs -> sessions',
      'audit_logs -> users',
      'council_members -> users',
      'decisions -> policies',
      'enforcement_logs -> users',
      'governance_rules -> policies',
      'improvements -> users',
      'integrity_checks -> users',
      'policies -> users',
      'validations -> audit_logs',
      'validations -> sessions',
    ]);
    expect(report.cuts.every(({ announced }) => announced)).toBe(true);
    // Who refers goes before what is referred to: no switch takes a foreign key off tables of others.
    const order = report.order.map(({ service }) => service);
    expect(order.slice(-3)).toEqual(['governance_synthesis', 'integrity', 'auth']);
    expect(report.order.map(({ dropsOfOthers }) => dropsOfOthers)).toEqual(order.map(() => 0));
    expect(
      Object.fromEntries(report.services.map(({ name, externalReferences }) => [name, externalReferences])),
    ).toEqual({
      auth: [{ table: 'public.audit_logs', home: 'integrity', by: 'reference' }],
      constitutional_ai: [
        { table: 'public.audit_logs', home: 'integrity', by: 'foreign_key' },
        { table: 'public.sessions', home: 'auth', by: 'foreign_key' },
      ],
      integrity: [
        { table: 'public.users', home: 'auth', by: 'foreign_key' },
        { table: 'public.sessions', home: 'auth', by: 'foreign_key' },
      ],
      formal_verification: [{ table: 'public.audit_logs', home: 'integrity', by: 'reference' }],
      governance_synthesis: [
        { table: 'public.audit_logs', home: 'integrity', by: 'reference' },
        { table: 'public.users', home: 'auth', by: 'foreign_key' },
      ],
      policy_governance: [
        { table: 'public.users', home: 'auth', by: 'foreign_key' },
        { table: 'public.policies', home: 'governance_synthesis', by: 'foreign_key' },
      ],
      executive_council: [
        { table: 'public.users', home: 'auth', by: 'foreign_key' },
        { table: 'public.policies', home: 'governance_synthesis', by: 'foreign_key' },
      ],
      dgm: [
        { table: 'public.audit_logs', home: 'integrity', by: 'reference' },
        { table: 'public.users', home: 'auth', by: 'foreign_key' },
      ],
    });
  });
});

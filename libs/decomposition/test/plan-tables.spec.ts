import { describe, expect, it } from '@jest/globals';
import { checkPlan } from '../src/core/plan/check-plan.js';
import { codes, probe, probePlan } from './support/probe-plan.js';
import { plainDatabase } from './support/test-database.js';

const KEY = 'id bigint PRIMARY KEY';

describe('the tables of a plan', () => {
  it('are claimed once each, and are there', async () => {
    const report = await probe(
      `CREATE TABLE a (${KEY}); CREATE TABLE b (${KEY}); CREATE TABLE c (${KEY}); CREATE TABLE "Odd" (${KEY});
       CREATE SCHEMA other; CREATE TABLE other.a (${KEY}); CREATE VIEW v AS SELECT * FROM a`,
      {
        services: { one: { tables: ['a', 'b', 'gone'] }, two: { tables: ['public.b', 'v', '"Odd"'] } },
        stay: ['a', 'away'],
      },
    );
    expect(codes(report.problems)).toEqual([
      'claimed_by_none other.a',
      'claimed_by_none public.c',
      'claimed_twice public.a',
      'claimed_twice public.b',
      'not_a_table public.v',
      'table_missing public.gone',
    ]);
    expect(report.problems).toContainEqual({
      code: 'claimed_twice',
      place: 'public.b',
      message: 'Table public.b is claimed by one and two.',
      next: 'Leave it to one of them; the others name it in `external_refs`.',
    });
    expect(codes(report.warnings)).toContain('table_missing public.away');
  });

  it('tells of a name that the plan has to quote', async () => {
    const report = await probe(`CREATE TABLE "User" (${KEY}); CREATE TABLE a (${KEY})`, {
      services: { one: { tables: ['a'] } },
    });
    expect(report.problems).toMatchObject([
      { place: 'public.User', next: "Add it to a service's `tables`, or to `stay`, in quotes." },
    ]);
  });

  it('can be followed row by row', async () => {
    const report = await probe(
      `CREATE TABLE keyless (id bigint); CREATE UNLOGGED TABLE light (${KEY});
       CREATE TABLE late (id bigint, PRIMARY KEY (id) DEFERRABLE);
       CREATE TABLE silent (${KEY}); ALTER TABLE silent REPLICA IDENTITY NOTHING;
       CREATE TABLE other_key (${KEY}, code text NOT NULL UNIQUE); ALTER TABLE other_key REPLICA IDENTITY USING INDEX other_key_code_key;
       CREATE TABLE whole (${KEY}); ALTER TABLE whole REPLICA IDENTITY FULL;
       CREATE TABLE parent (${KEY}); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
       CREATE TABLE parts (${KEY}) PARTITION BY RANGE (id);
       CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
       CREATE UNLOGGED TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
       CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
       CREATE FOREIGN TABLE far (id bigint) SERVER elsewhere;
       CREATE FOREIGN TABLE far_unclaimed (id bigint) SERVER elsewhere`,
      {
        services: {
          one: {
            tables: [
              ...['keyless', 'light', 'late', 'silent', 'other_key', 'whole', 'parent', 'child', 'parts', 'far'],
              'parts_1',
            ],
          },
        },
      },
    );
    expect(codes(report.problems)).toEqual([
      'inheritance public.child',
      'inheritance public.parent',
      'no_primary_key public.keyless',
      'no_primary_key public.late',
      'not_a_table public.far',
      'not_a_table public.parts_1',
      'not_permanent public.light',
      'not_permanent public.parts',
      'replica_identity public.other_key',
      'replica_identity public.silent',
    ]);
    expect(report.problems.find(({ place }) => place === 'public.parts')).toMatchObject({
      message: 'public.parts_2, a partition of public.parts, is unlogged: no stream carries its rows.',
      next: 'ALTER TABLE public.parts_2 SET LOGGED.',
    });
  });

  it('need no replica identity where triggers follow them', async () => {
    const report = await probe(`CREATE TABLE silent (${KEY}); ALTER TABLE silent REPLICA IDENTITY NOTHING`, {
      services: { one: { tables: ['silent'], strategy: 'dual-write' } },
    });
    expect(report.problems).toEqual([]);
  });

  it('are readable, whole, for the administrator', async () => {
    const database = await plainDatabase();
    const role = `${database.name}_admin`;
    try {
      await database.run(
        `CREATE ROLE ${role} LOGIN PASSWORD 'administrator'; CREATE TABLE hidden (${KEY});
         ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; CREATE TABLE own (${KEY}); ALTER TABLE own OWNER TO ${role}`,
      );
      const url = new URL(database.url);
      [url.username, url.password] = [role, 'administrator'];
      const report = await checkPlan(probePlan({ source: url.href, services: { one: { tables: ['hidden', 'own'] } } }));
      expect(codes(report.problems)).toEqual([
        'not_owner public.hidden',
        'row_security public.hidden',
        "server_right the source's server",
      ]);
      expect(report.warnings.map(({ message }) => message)).toContainEqual(
        "The administrator of the source's server has no REPLICATION, and no membership in pg_create_subscription, which streams are made with.",
      );
    } finally {
      await database.run(`REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP ROLE ${role}`);
      await database.drop();
    }
  });
});

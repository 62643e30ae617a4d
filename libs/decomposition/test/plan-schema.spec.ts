import { describe, expect, it } from '@jest/globals';
import { codes, probe } from './support/probe-plan.js';

const KEY = 'id bigint PRIMARY KEY';

describe('what a plan takes along', () => {
  it('has types that other databases have', async () => {
    const ddl = `
      CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN short AS text CHECK (length(VALUE) < 9); CREATE DOMAIN xids AS xid8;
      CREATE TYPE pair AS (x integer, y integer); CREATE TABLE other (id bigint PRIMARY KEY); CREATE TYPE spans AS RANGE (subtype = numeric);
      CREATE TABLE t (${KEY}, mood mood, moods mood[], short short, pair pair, pairs pair[], rows other[], spans spans, since xids, at pg_lsn,
                      relation regclass, image oid, span tstzrange, word tsvector GENERATED ALWAYS AS (to_tsvector('english', 'x')) STORED)`;
    const clone = await probe(ddl, { services: { one: { tables: ['t', 'other'] } } });
    expect(codes(clone.problems)).toEqual([
      'type_does_not_travel public.t.rows',
      'type_does_not_travel public.t.spans',
    ]);
    expect(clone.problems[0]!.message).toBe(
      'public.t.rows is of type other, the type of the rows of a table: `create` makes enums, domains and composite types, but not this.',
    );
    expect(codes(clone.warnings)).toEqual(['large_objects public.t.image', 'type_does_not_travel public.t.relation']);
    const migrated = await probe(ddl, { services: { one: { tables: ['t', 'other'], schema: 'migrations' } } });
    expect(migrated.problems).toEqual([]);
  });

  it('knows the extensions that a table is made with', async () => {
    const report = await probe(
      `CREATE EXTENSION pg_trgm; CREATE EXTENSION citext;
       CREATE TABLE words (${KEY}, word text); CREATE INDEX ON words USING gin (word gin_trgm_ops);
       CREATE TABLE people (${KEY}, name citext); CREATE TABLE plain (${KEY})`,
      { services: { one: { tables: ['words'] }, two: { tables: ['people'] }, three: { tables: ['plain'] } } },
    );
    expect(report.services.map(({ extensions }) => extensions)).toEqual([['pg_trgm'], ['citext'], []]);
    expect(report.problems).toEqual([]);
  });

  it('leaves out views, rules and policies that reach over the split', async () => {
    const report = await probe(
      `CREATE TABLE a (${KEY}); CREATE TABLE b (${KEY}); CREATE TABLE c (${KEY}); CREATE TABLE s (${KEY});
       CREATE VIEW only_a AS SELECT * FROM a; CREATE VIEW only_s AS SELECT * FROM s;
       CREATE MATERIALIZED VIEW joined AS SELECT only_a.id FROM only_a JOIN b USING (id);
       CREATE VIEW nested AS SELECT * FROM joined; CREATE VIEW with_stay AS SELECT c.id FROM c JOIN s USING (id);
       CREATE RULE note AS ON INSERT TO a DO ALSO INSERT INTO b VALUES (NEW.id);
       CREATE RULE quiet AS ON DELETE TO c DO INSTEAD NOTHING;
       CREATE POLICY mine ON b USING (EXISTS (SELECT FROM c WHERE c.id = b.id))`,
      { services: { one: { tables: ['a'] }, two: { tables: ['b'] }, three: { tables: ['c'] } }, stay: ['s'] },
    );
    expect(codes(report.problems)).toEqual([
      'policy_across public.b.mine',
      'rule_across public.a.note',
      'view_across public.joined',
      'view_across public.nested',
      'view_across public.with_stay',
    ]);
    expect(report.problems.find(({ place }) => place === 'public.with_stay')!.message).toBe(
      'The view public.with_stay brings together public.c (three) and public.s (what stays), which will live apart.',
    );
    expect(codes(report.warnings)).toEqual(['rule_stays public.c.quiet', 'view_stays public.only_a']);
  });

  it('lists triggers by the function whose reach nobody knows', async () => {
    const report = await probe(
      `CREATE TABLE a (${KEY}); CREATE TABLE a2 (${KEY}); CREATE TABLE b (${KEY});
       CREATE FUNCTION copy_down() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO b VALUES (NEW.id); RETURN NEW; END';
       CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
       CREATE FUNCTION any_sql() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE ''SELECT 1''; RETURN NEW; END';
       CREATE TRIGGER down AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION copy_down();
       CREATE TRIGGER touch BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION touch();
       CREATE TRIGGER touch BEFORE UPDATE ON a2 FOR EACH ROW EXECUTE FUNCTION touch();
       CREATE TRIGGER dynamic BEFORE UPDATE ON a2 FOR EACH ROW EXECUTE FUNCTION any_sql();
       ALTER TABLE a ENABLE ALWAYS TRIGGER down`,
      { services: { one: { tables: ['a', 'a2'] }, two: { tables: ['b'] } } },
    );
    expect(report.problems).toEqual([]);
    expect(codes(report.warnings)).toEqual([
      'trigger any_sql()',
      'trigger copy_down()',
      'trigger touch()',
      'trigger_always public.a.down',
    ]);
    const of = (place: string): string => report.warnings.find((one) => one.place === place)!.message;
    expect(of('copy_down()')).toBe('copy_down() is called by trigger down of public.a. Its text names public.b (two).');
    expect(of('touch()')).toMatch(/triggers of public\.a and public\.a2\. Its text names no table of another service/);
    expect(of('any_sql()')).toMatch(/statements that it puts together/);
  });

  it('reads sequences, where they stand and whose they are', async () => {
    const report = await probe(
      `CREATE SEQUENCE shared; CREATE SEQUENCE lonely;
       CREATE TABLE a (id bigserial PRIMARY KEY, n bigint DEFAULT nextval('shared'));
       CREATE TABLE b (id integer GENERATED ALWAYS AS IDENTITY (INCREMENT 5) PRIMARY KEY, n bigint DEFAULT nextval('shared'));
       INSERT INTO a SELECT FROM generate_series(1, 3); INSERT INTO b SELECT FROM generate_series(1, 2)`,
      { services: { one: { tables: ['a'] }, two: { tables: ['b'] } } },
    );
    expect(report.services.map(({ sequences }) => sequences)).toEqual([
      [
        { name: 'public.a_id_seq', last: '3', increment: '1', columns: ['public.a.id'] },
        { name: 'public.shared', last: '5', increment: '1', columns: ['public.a.n', 'public.b.n'] },
      ],
      [
        { name: 'public.b_id_seq', last: '6', increment: '5', columns: ['public.b.id'] },
        { name: 'public.shared', last: '5', increment: '1', columns: ['public.a.n', 'public.b.n'] },
      ],
    ]);
    expect(codes(report.warnings)).toEqual(['sequence_of_none public.lonely', 'sequence_shared public.shared']);
  });
});

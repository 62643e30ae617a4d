import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { create } from '../src/core/create/create.js';
import { readDeferred } from '../src/core/create/deferred-store.js';
import { makeDeferred } from '../src/core/create/deferred.js';
import { driftOf } from '../src/core/create/drift.js';
import { once, PASSWORD, richSource, type RichSource } from './support/rich-source.js';

const passwords = () => PASSWORD;
const PEOPLE = 'CREATE TABLE people (id int PRIMARY KEY, name text); CREATE TABLE users (id int PRIMARY KEY);';
const MONTHS = `
  CREATE TABLE people (id int, at date, name text DEFAULT 'x', PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE INDEX people_name_idx ON people (name);`;
const month = (n: number): string =>
  `CREATE TABLE people_${n} PARTITION OF people FOR VALUES FROM ('2026-0${n}-01') TO ('2026-0${n + 1}-01'); CREATE UNIQUE INDEX once_${n} ON people_${n} (id);`;

describe('create', () => {
  let rich: RichSource;
  afterEach(() => rich.drop());

  const migration =
    (sql: string) =>
    async (url: string): Promise<void> => {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000 });
      await client.connect();
      await client.query(sql).finally(() => client.end());
    };

  it('lists all in which migrations make other tables than the source has', async () => {
    rich = await richSource({
      ddl: `CREATE TABLE people (id int PRIMARY KEY, name varchar(10) NOT NULL, CHECK (id > 0)); CREATE INDEX ON people (name); CREATE TABLE users (id int PRIMARY KEY)`,
      shop: { schema: 'migrations', tables: ['people'] },
    });
    const migrate = migration('CREATE TABLE people (id int PRIMARY KEY, name text, more int)');
    const failure = await create(rich.open(), { passwords, migrate }).catch((error: unknown) => error as Error);
    expect((failure as Error).message.split('\n').slice(1)).toEqual([
      '  column name of public.people differs: on the source name character varying(10) NOT NULL, on the target name text',
      '  check people_id_check of public.people is only on the source: CHECK ((id > 0))',
      '  index people_name_idx of public.people is only on the source: CREATE INDEX ON public.people USING btree (name)',
      '  column more of public.people is only on the target: more integer',
    ]);
  });

  it('takes partitions as they are, and makes those that migrations did not', async () => {
    rich = await richSource({
      ddl: `${MONTHS} ${month(1)} ${month(2)} CREATE TABLE users (id int PRIMARY KEY)`,
      shop: { schema: 'migrations', tables: ['people'] },
    });
    const migrate = migration(`${MONTHS} ${month(2)} ${month(3)} INSERT INTO people VALUES (1, '2026-02-03')`);
    const report = await create(rich.open(), { passwords, migrate });
    expect(report).toMatchObject({ made: ['partition public.people_1'], removedRows: 1 });
    const move = rich.open();
    expect(await driftOf(move)).toEqual([]);
    await makeDeferred(move, 'target');
    expect(await driftOf(move)).toEqual([]);
    const { rows } = await move.databases.target.query(
      `SELECT indexname FROM pg_indexes WHERE indexname LIKE 'once%' ORDER BY 1`,
    );
    expect(rows).toEqual([{ indexname: 'once_1' }, { indexname: 'once_2' }, { indexname: 'once_3' }]);
  });

  it('adds a month that the source has got while rows are copied, and leaves rows alone', async () => {
    rich = await richSource({
      ddl: `${MONTHS} ${month(1)} CREATE TABLE users (id int PRIMARY KEY)`,
      shop: { schema: 'migrations', tables: ['people'] },
    });
    const migrate = migration(`${MONTHS} ${month(1)}`);
    const move = rich.open();
    await create(move, { passwords, migrate });
    await move.state.change({ phase: 'copying' });
    await move.databases.target.query(
      `BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO people VALUES (1, '2026-01-01'); COMMIT`,
    );
    await rich.source.query(month(4));
    const never = () => Promise.reject(new Error('migrations must not run any more'));
    expect(await create(rich.open(), { passwords, migrate: never })).toMatchObject({
      made: ['partition public.people_4'],
      removedRows: 0,
    });
    expect((await readDeferred(move, 'target')).map(({ name, present }) => [name, present])).toContainEqual([
      'once_4',
      false,
    ]);
    expect((await move.databases.target.query('SELECT FROM people')).rowCount).toBe(1);
  });

  it('refuses a target that is the source, whatever the URL calls it', async () => {
    rich = await richSource({ ddl: PEOPLE, shop: { tables: ['people'] } });
    const plan = { ...rich.plan, services: rich.plan.services.map((one) => ({ ...one, target: rich.plan.source })) };
    rich.plan.services[0]!.target = plan.services[0]!.target.replace('127.0.0.1', 'localhost');
    await expect(create(rich.open(), { passwords })).rejects.toMatchObject({ code: 'invalid_plan' });
    expect((await rich.source.query(`SELECT FROM pg_namespace WHERE nspname = 'decomposition'`)).rowCount).toBe(0);
  });

  it('refuses tables of others that are there under the same names', async () => {
    rich = await richSource({ ddl: PEOPLE, shop: { tables: ['people'] } });
    const target = rich.plan.services[0]!.target;
    await once(rich.plan.source, `CREATE DATABASE rich_shop_${rich.tag}`);
    await once(target, 'CREATE TABLE people (id int PRIMARY KEY, name int)');
    await expect(create(rich.open(), { passwords })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('column name of public.people differs'),
    });
    await once(target, 'ALTER TABLE people ALTER name TYPE text; INSERT INTO people VALUES (1)');
    await expect(create(rich.open(), { passwords })).rejects.toMatchObject({
      message: expect.stringContaining('has rows'),
    });
    await once(target, 'DELETE FROM people');
    await create(rich.open(), { passwords });
  });

  it('refuses what cannot be made elsewhere, and names it', async () => {
    rich = await richSource({
      ddl: `CREATE TYPE span AS RANGE (subtype = int4);
        CREATE FUNCTION same(text) RETURNS text LANGUAGE internal IMMUTABLE AS 'texteq';
        CREATE TABLE people (id int PRIMARY KEY, s span); CREATE TABLE users (id int PRIMARY KEY)`,
      shop: { tables: ['people'] },
    });
    await expect(create(rich.open(), { passwords })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('type public.span does not travel'),
    });
  });

  it('refuses without a password that PostgreSQL could take, and without migrations', async () => {
    rich = await richSource({ ddl: PEOPLE, shop: { tables: ['people'] } });
    await expect(create(rich.open(), { passwords: () => 'short' })).rejects.toMatchObject({ code: 'refused' });
    rich.plan.services[0]!.schema = 'migrations';
    await expect(create(rich.open(), { passwords })).rejects.toMatchObject({ code: 'refused' });
  });

  it('gives the service all tables where the source does not know its login', async () => {
    rich = await richSource({ ddl: `${PEOPLE} GRANT SELECT ON people TO PUBLIC`, shop: { tables: ['people'] } });
    await create(rich.open(), { passwords });
    const { rows } = await once(
      rich.urlOf('shop', `shop_${rich.tag}`),
      `SELECT p, has_table_privilege('people', p) AS has FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p`,
    );
    expect(rows.map(({ has }: { has: boolean }) => has)).toEqual([true, true, true, true, false]);
  });

  it('gives exactly what the role of the same name has on the source', async () => {
    rich = await richSource({
      ddl: `${PEOPLE} GRANT SELECT, UPDATE (name) ON people TO %LOGIN%`,
      shop: { tables: ['people'] },
    });
    await create(rich.open(), { passwords });
    const { rows } = await once(
      rich.urlOf('shop', `shop_${rich.tag}`),
      `SELECT has_table_privilege('people', 'SELECT') AS reads, has_table_privilege('people', 'INSERT') AS adds,
         has_table_privilege('people', 'UPDATE') AS updates, has_column_privilege('people', 'name', 'UPDATE') AS renames`,
    );
    expect(rows).toEqual([{ reads: true, adds: false, updates: false, renames: true }]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { create } from '../src/core/create/create.js';
import { dropDeferred, makeDeferred } from '../src/core/create/deferred.js';
import { readDeferred } from '../src/core/create/deferred-store.js';
import { driftOf } from '../src/core/create/drift.js';
import { fencedTables } from '../src/core/fence/fence.js';
import { type Move } from '../src/core/move.js';
import { once, PASSWORD, richSource, type RichSource } from './support/rich-source.js';

const options = { passwords: () => PASSWORD };

describe('create, by cloning', () => {
  let rich: RichSource;
  let move: Move;
  let made: readonly string[];
  beforeAll(async () => {
    rich = await richSource();
    move = rich.open();
    made = (await create(move, options)).made;
  });
  afterAll(() => rich.drop());

  const target = async <R extends object>(sql: string): Promise<R[]> =>
    (await move.databases.target.query<R>(sql)).rows;

  it('makes what the tables need, and nothing else', async () => {
    expect(await driftOf(move)).toEqual([]);
    expect(made).toEqual(
      expect.arrayContaining([
        'type app.mood',
        'extension citext',
        'table public.Orders',
        'partition app.events_2026_01_rest',
      ]),
    );
    expect(made).not.toContain('type app.unused');
    const tables = await target<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
       WHERE nspname IN ('public', 'app') AND relkind IN ('r', 'p') ORDER BY 1`,
    );
    expect(tables.map(({ name }) => name)).toEqual([
      '"Orders"',
      'app.events',
      'app.events_2026_01',
      'app.events_2026_01_a',
      'app.events_2026_01_rest',
      'app.events_2026_02',
      'people',
    ]);
  });

  it('gives all of it to the owner of the service', async () => {
    const owners = await target<{ owner: string }>(
      `SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('public', 'app')
       UNION SELECT proowner::regrole::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'app'
       UNION SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname IN ('app', 'public')`,
    );
    expect(owners).toEqual([{ owner: `shop_${rich.tag}_owner` }]);
  });

  it('fences the tables, and says where the move is', async () => {
    const tables = await move.tables('target');
    expect(await fencedTables(move.databases.target, tables)).toHaveLength(3);
    expect(await move.state.read()).toMatchObject({ phase: 'created', writes: 'source', strategy: 'replication' });
    await expect(target(`INSERT INTO app.events_2026_02 (at) VALUES ('2026-02-03')`)).rejects.toMatchObject({
      code: 'GV001',
    });
  });

  it('makes nothing twice', async () => {
    const before = await target('SELECT * FROM decomposition.deferred ORDER BY place, name');
    const again = rich.open();
    const report = await create(again, options);
    expect(report.made).toEqual([]);
    expect(await target('SELECT * FROM decomposition.deferred ORDER BY place, name')).toEqual(before);
  });

  it('says what it would make, and makes nothing, when asked to', async () => {
    const report = await create(rich.open('auth'), { ...options, dryRun: true });
    expect(report).toMatchObject({
      dryRun: true,
      made: ['table public.users', 'primary key users_pkey of public.users'],
    });
    await expect(once(rich.urlOf('auth', `auth_${rich.tag}`), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('leaves constraints and indexes for later, and cuts foreign keys to others', async () => {
    const deferred = await readDeferred(move, 'target');
    expect(deferred.map(({ kind }) => kind)).toEqual([
      ...[
        'unique',
        'exclusion',
        'index',
        'index',
        'index',
        'index',
        'statistics',
        'foreign key',
        'validation',
        'check',
        'trigger',
      ],
    ]);
    expect(deferred.every(({ present }) => !present)).toBe(true);
    const cut = await readDeferred(move, 'source');
    expect(cut.map(({ table, name, present }) => [table, name, present])).toEqual([
      ['app.events', 'events_user_fk', true],
      ['public.users', 'users_person_fkey', true],
    ]);
  });

  it('gives the service what it had, in its own database only', async () => {
    const runtime = (service: string, login: string, sql: string) =>
      once(rich.urlOf(service, `${login}_${rich.tag}`), sql);
    expect((await runtime('shop', 'shop', 'SELECT count(*)::int AS n FROM people')).rows).toEqual([{ n: 0 }]);
    expect((await runtime('shop', 'shop', 'SELECT phase FROM decomposition.moves')).rows).toEqual([
      { phase: 'created' },
    ]);
    await runtime(
      'shop',
      'shop',
      `INSERT INTO decomposition.instances (instance, service, epoch) VALUES ('a', 'shop', 1)`,
    );
    for (const sql of [
      `UPDATE decomposition.moves SET epoch = 9`,
      'DROP TABLE people',
      'CREATE TABLE x ()',
      'SELECT * FROM decomposition.chunks',
    ])
      await expect(runtime('shop', 'shop', sql)).rejects.toMatchObject({ code: '42501' });
    // A login that the source knows nothing of.
    await expect(runtime('shop', 'shop', 'SET ROLE pg_read_all_data')).rejects.toMatchObject({ code: '42501' });
    await expect(once(rich.urlOf('shop', `shop_${rich.tag}_reader`), 'SELECT FROM people')).rejects.toMatchObject({
      code: '42501',
    });
    await create(rich.open('auth'), options);
    await expect(runtime('auth', 'shop', 'SELECT 1')).rejects.toMatchObject({ code: '42501' });
    await expect(runtime('shop', 'auth', 'SELECT 1')).rejects.toMatchObject({ code: '42501' });
  });

  it('makes the rest later, in order, and takes it away again', async () => {
    await makeDeferred(move, 'target');
    expect((await readDeferred(move, 'target')).every(({ present }) => present)).toBe(true);
    expect(await driftOf(move)).toEqual([]);
    const valid = await target(
      `SELECT FROM pg_constraint WHERE contype = 'f' AND convalidated AND conname = 'Orders_person_fkey'`,
    );
    expect(valid).toHaveLength(1);
    await dropDeferred(move, 'target');
    expect((await readDeferred(move, 'target')).some(({ present }) => present)).toBe(false);
    expect(await target(`SELECT FROM pg_indexes WHERE indexname IN ('People Names', 'events_kind_idx')`)).toEqual([]);
    await makeDeferred(move, 'target', { kinds: ['index', 'unique'] });
    expect((await readDeferred(move, 'target')).filter(({ present }) => present)).toHaveLength(5);
    await makeDeferred(move, 'target');
    expect(await driftOf(move)).toEqual([]);
  });

  it('takes foreign keys that are cut from the source, and makes them again for new rows', async () => {
    await rich.source.query('INSERT INTO users VALUES (1, $1, NULL)', ['x']);
    await dropDeferred(move, 'source');
    await dropDeferred(rich.open('auth'), 'source');
    await rich.source.query('UPDATE users SET person = 999');
    await makeDeferred(move, 'source');
    await expect(rich.source.query('INSERT INTO users VALUES (2, $1, 998)', ['y'])).rejects.toMatchObject({
      code: '23503',
    });
    // The other service has noted the same keys, and finds them there.
    await makeDeferred(rich.open('auth'), 'source');
    expect((await readDeferred(rich.open('auth'), 'source')).every(({ present }) => present)).toBe(true);
  });

  it('does not make a foreign key to a table that lives elsewhere by now', async () => {
    await dropDeferred(move, 'source');
    const auth = rich.open('auth');
    await auth.state.change({ phase: 'switched', writes: 'target' });
    await makeDeferred(move, 'source');
    expect((await readDeferred(move, 'source')).map(({ present }) => present)).toEqual([false, false]);
    await auth.state.change({ phase: 'in_step', writes: 'source' });
    await makeDeferred(move, 'source');
    expect((await readDeferred(move, 'source')).map(({ present }) => present)).toEqual([true, true]);
  });

  it('names what differs later, and makes partitions that the source has got since', async () => {
    await rich.source
      .query(`CREATE TABLE app.events_2026_03 PARTITION OF app.events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
      ALTER TABLE people ADD COLUMN later text; ALTER TABLE people ALTER COLUMN touched SET NOT NULL; DROP INDEX "People Names"`);
    expect(await driftOf(move)).toEqual([
      expect.stringContaining(
        'column touched of public.people differs: on the source touched text NOT NULL, on the target touched text',
      ),
      'column later of public.people is only on the source: later text',
      expect.stringContaining('partition app.events_2026_03 is only on the source'),
      expect.stringContaining('index People Names of public.people is only on the target'),
    ]);
    await expect(create(rich.open(), options)).rejects.toMatchObject({ code: 'refused' });
    await rich.source.query(`ALTER TABLE people DROP COLUMN later, ALTER COLUMN touched DROP NOT NULL;
      CREATE INDEX renamed ON people ("Full Name" DESC NULLS LAST) INCLUDE (mood)`);
    const report = await create(rich.open(), options);
    expect(report.made).toEqual(['partition app.events_2026_03']);
    expect(await driftOf(move)).toEqual([]);
    await expect(target(`TRUNCATE app.events_2026_03`)).rejects.toMatchObject({ code: 'GV001' });
  });
});

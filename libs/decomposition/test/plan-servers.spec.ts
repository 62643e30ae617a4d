import { randomBytes } from 'node:crypto';
import { mkdtemp, chmod, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectionUrl } from '#database';
import { EmbeddedPostgres } from '#embedded-postgres';
import { checkPlan } from '../src/core/plan/check-plan.js';
import { TARGET_SCHEMA } from '../src/core/state/schema.js';
import { codes, probePlan } from './support/probe-plan.js';
import { plainDatabase, type PlainDatabase } from './support/test-database.js';

const TABLES = `CREATE TABLE a (id bigint PRIMARY KEY, since xid8, role regrole); CREATE TABLE b (id bigint PRIMARY KEY)`;

describe('the servers of a plan', () => {
  const databases: PlainDatabase[] = [];
  const make = async (options?: string, server?: string): Promise<PlainDatabase> => {
    const database = await plainDatabase(options, server);
    databases.push(database);
    return database;
  };
  let source: PlainDatabase;
  beforeAll(async () => {
    source = await make();
    await source.run(TABLES);
  });
  afterAll(() => Promise.all(databases.map(({ drop }) => drop())));

  it('give each service a database of its own, and roles of its own', async () => {
    const other = connectionUrl(source.url, { database: 'split_nowhere' });
    const login = (name: string): object => ({ name, password_env: 'UNUSED' });
    const report = await checkPlan(
      probePlan({
        source: source.url,
        services: {
          one: { tables: ['a'], target: source.url.replace('127.0.0.1', 'localhost') },
          two: { tables: ['b'], target: other, runtime: login('shared') },
          three: { tables: ['b'], target: other.replace('postgresql:', 'postgres:'), runtime: login('shared') },
        },
      }),
    );
    expect(codes(report.problems)).toEqual([
      'claimed_twice public.b',
      'same_database target of one',
      'same_database target of three',
      'shared_role shared',
    ]);
    expect(report.problems.find(({ place }) => place === 'target of one')!.message).toBe(
      'The target of one is the same database as the source.',
    );
  });

  it('are looked at where they answer', async () => {
    const target = connectionUrl('postgres://admin:hidden-secret@127.0.0.1:1/x', {});
    const report = await checkPlan(
      probePlan({ source: source.url, services: { one: { tables: ['a'], target }, two: { tables: ['b'] } } }),
    );
    expect(report.problems).toEqual([]);
    expect(codes(report.warnings)).toEqual([
      'target_unreachable target of one',
      'type_does_not_travel public.a.role',
      'type_does_not_travel public.a.since',
    ]);
    expect(report.services.map(({ target: { answers, exists } }) => [answers, exists])).toEqual([
      [false, false],
      [true, false],
    ]);
    expect(JSON.stringify(report)).not.toContain('hidden-secret');
  });

  it('have to have the source', async () => {
    const plan = probePlan({
      source: connectionUrl(source.url, { database: 'split_nowhere' }),
      services: { one: { tables: ['a'] } },
    });
    await expect(checkPlan(plan)).rejects.toMatchObject({
      code: 'invalid_plan',
      message: 'The source does not answer: database "split_nowhere" does not exist.',
    });
  });

  it('write text the same way', async () => {
    const latin = await make(`ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    const german = await make(`LOCALE_PROVIDER icu ICU_LOCALE 'de' TEMPLATE template0`);
    const report = await checkPlan(
      probePlan({
        source: source.url,
        services: { one: { tables: ['a'], target: latin.url }, two: { tables: ['b'], target: german.url } },
      }),
    );
    expect(report.problems).toMatchObject([
      { code: 'encoding', service: 'one', message: 'The source is in UTF8, the target of one is in LATIN1.' },
    ]);
    expect(report.warnings).toContainEqual(expect.objectContaining({ code: 'collation', service: 'two' }));
  });

  it('tell of a target with rows of its own, and leave out what has moved', async () => {
    const [full, done] = [await make(), await make()];
    await full.run(`${TABLES}; INSERT INTO a VALUES (1)`);
    await done.run(
      `${TARGET_SCHEMA}; INSERT INTO decomposition.moves (service, strategy, phase, writes) VALUES ('two', 'replication', 'completed', 'target')`,
    );
    await source.run(
      `CREATE SCHEMA decomposition_retired; CREATE TABLE decomposition_retired.gone (id bigserial PRIMARY KEY)`,
    );
    const report = await checkPlan(
      probePlan({
        source: source.url,
        services: { one: { tables: ['a'], target: full.url }, two: { tables: ['gone'], target: done.url } },
        stay: ['b'],
      }),
    );
    expect(report.problems).toEqual([]);
    expect(codes(report.warnings)).toEqual(['target_not_empty target of one']);
    expect(report.order.map(({ service }) => service)).toEqual(['one']);
    expect(report.services.map(({ phase }) => phase)).toEqual([null, 'completed']);
  });

  describe('of which one is another cluster, with other settings', () => {
    let dataDir: string;
    let server: EmbeddedPostgres;
    let url: string;
    beforeAll(async () => {
      const directory = await mkdtemp(join(tmpdir(), 'split-server-'));
      await chmod(directory, 0o711);
      dataDir = join(directory, 'postgres');
      const settings = {
        ...{ wal_level: 'replica', max_replication_slots: 1, max_slot_wal_keep_size: '1GB' },
        idle_replication_slot_timeout: '1h',
      };
      server = new EmbeddedPostgres({ dataDir, password: randomBytes(9).toString('hex'), durable: false, settings });
      ({ url } = await server.start());
    });
    afterAll(async () => {
      await server?.stop('immediate');
      await rm(join(dataDir, '..'), { recursive: true, force: true });
    });

    it('stop what does not mean anything there, and what replication needs', async () => {
      const target = connectionUrl(url, { database: 'new_home' });
      const report = await checkPlan(
        probePlan({ source: source.url, services: { one: { tables: ['a'], target }, two: { tables: ['b'] } } }),
      );
      expect(report.problems.map(({ place, message }) => `${place}: ${message}`)).toEqual([
        'public.a.since: public.a.since is of type xid8, which means something in one cluster only.',
        'public.a.role: public.a.role is of type regrole, which means something in one cluster only.',
        "the server of one's target: wal_level of the server of one's target is replica; the strategy replication needs logical, on both sides: the way back is a stream, too.",
        "the server of one's target: max_replication_slots of the server of one's target leaves 1 free; a move needs 2.",
      ]);
      expect(report.warnings.map(({ message }) => message)).toEqual([
        "max_slot_wal_keep_size of the server of one's target is 1GB: a stream that falls behind by more is lost, and the copy begins anew.",
        "idle_replication_slot_timeout of the server of one's target is 1h: a stream that rests for longer is lost.",
      ]);
      const takeover = { call: 'count_on' };
      const counted = await checkPlan(
        probePlan({
          source: source.url,
          services: { one: { tables: ['a'], target, takeover }, two: { tables: ['b'] } },
        }),
      );
      expect(counted.problems.map(({ place }) => place)).toEqual(report.problems.map(({ place }) => place).slice(1));
      const dual = { tables: ['b'], target, strategy: 'dual-write' };
      const without = await checkPlan(probePlan({ source: source.url, services: { two: dual }, stay: ['a'] }));
      expect([without.problems, without.warnings]).toEqual([[], []]);
    });
  });
});

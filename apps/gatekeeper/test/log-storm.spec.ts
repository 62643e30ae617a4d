import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { createPool, migrateAtBoot, roleOf } from '#database';
import { createTestDatabase, waitFor, type TestDatabase } from '#testing';
import { NoteSigner } from '#tlog';
import { migrations } from '../migrations/index.js';
import { type Query } from '../src/notary/core/log-tables.js';
import { checkLog } from './support/storm-check.js';
import { StormProcess } from './support/storm-process.js';

/** GRAVITAS_STORM_SECONDS=30 npm test -- log-storm */
const SECONDS = Number(process.env.GRAVITAS_STORM_SECONDS ?? 6);
const PROCESSES = 4;
const WRITERS = 64;
const TENANTS = 100;
const SEQUENCERS = 3;
const OWN_NAME = 'storm';

interface Instance {
  process: StormProcess;
  state: string;
}

describe(`${WRITERS} writers in ${PROCESSES} processes over ${TENANTS} tenants, for ${SECONDS} s`, () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  const signer = new NoteSigner('storm', randomBytes(32));
  const writers: StormProcess[] = [];
  const instances: Instance[] = [];
  const acknowledged = new Map<string, string>();
  /** Notes that were visible, by tenant. */
  const seen = new Map<string, Set<string>>();
  const done = { leadersKilled: 0, followersKilled: 0, frozen: 0, notariesCut: 0, allCut: 0, steps: 0 };
  const warnings = new Set<string>();

  const query: Query = async (sql, values) => (await pool.query(sql, [...values])).rows as never;
  const startInstance = (): void => {
    const environment = { STORM_NOTARY_URL: database.notaryUrl!, STORM_SIGNER: signer.exportSecret() };
    const instance: Instance = {
      state: 'starting',
      process: new StormProcess('storm-sequencer', [], environment, (line) => {
        if (line.startsWith('step')) done.steps++;
        else if (line.startsWith('warning')) warnings.add(line);
        else instance.state = line;
      }),
    };
    instances.push(instance);
  };
  const killInstance = async (instance: Instance): Promise<void> => {
    instances.splice(instances.indexOf(instance), 1);
    await instance.process.kill();
    startInstance();
  };
  const leader = (): Instance | undefined => instances.find(({ state }) => state === 'leader');
  /** Ends connections by their application's name; the one that asks stays. */
  const cut = (like: string) =>
    query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = $1 AND application_name LIKE $2 AND application_name <> $3`,
      [database.name, like, OWN_NAME],
    );
  const chance = (probability: number): boolean => Math.random() < probability;

  /** The leader stands still, maybe in the middle of a transaction; its session ends, another leads, and then it goes on. */
  const freezeLeader = async (frozen: Instance): Promise<void> => {
    frozen.process.child.kill('SIGSTOP');
    await cut('gravitas-gatekeeper-notary');
    await waitFor('another leader', () => instances.some((each) => each !== frozen && each.state === 'leader'), 20_000);
    frozen.process.child.kill('SIGCONT');
    done.frozen++;
  };
  const strike = async (): Promise<void> => {
    const leading = leader();
    if (leading && chance(0.45)) {
      await killInstance(leading);
      done.leadersKilled++;
    } else if (leading && chance(0.4)) await freezeLeader(leading);
    else if (chance(0.3)) {
      await killInstance(instances[Math.floor(Math.random() * instances.length)]!);
      done.followersKilled++;
    } else if (chance(0.5)) {
      await cut('gravitas-gatekeeper-notary');
      done.notariesCut++;
    } else {
      await cut('%');
      done.allCut++;
    }
  };
  const look = async (): Promise<void> => {
    const rows = await query<{ tenant_id: string; checkpoint: string }>(
      'SELECT tenant_id, checkpoint FROM tlog_trees',
      [],
    );
    for (const { tenant_id: tenant, checkpoint } of rows) {
      const notes = seen.get(tenant) ?? new Set();
      seen.set(tenant, notes.add(checkpoint));
    }
  };
  const repeat = async (until: number, pause: () => number, work: () => Promise<void>): Promise<void> => {
    // At least until a leader was struck.
    while (Date.now() < until || done.leadersKilled + done.frozen === 0) {
      await sleep(pause());
      await work();
    }
  };
  const logged = async (): Promise<number> => {
    const [row] = await query<{ total: string }>('SELECT coalesce(sum(size), 0) AS total FROM tlog_trees', []);
    return Number(row!.total);
  };

  beforeAll(async () => {
    database = await createTestDatabase('gatekeeper');
    const runtimeRole = roleOf(database.runtimeUrl);
    await migrateAtBoot({ service: 'gatekeeper', url: database.ownerUrl, runtimeRole, entities: [], migrations });
    await database.query('SELECT ensure_audit_partitions(1, 1)');
    pool = createPool(database.superuserUrl, OWN_NAME, 2, () => undefined);
  });
  afterEach(() => Promise.all([...writers, ...instances.map(({ process: each }) => each)].map((each) => each.kill())));
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  it(
    'the log has each acknowledged event once, in contiguous trees that never fork, whoever is killed',
    async () => {
      for (let i = 0; i < SEQUENCERS; i++) startInstance();
      for (let i = 0; i < PROCESSES; i++) {
        const args = [String(i), String(WRITERS / PROCESSES), String(TENANTS)];
        const environment = { STORM_RUNTIME_URL: database.runtimeUrl };
        writers.push(
          new StormProcess('storm-writer', args, environment, (line) => {
            const [id = '', tenant = ''] = line.split(' ');
            acknowledged.set(id, tenant);
          }),
        );
      }
      await waitFor('a leader and events', () => leader() && acknowledged.size > 0, 30_000);
      const until = Date.now() + SECONDS * 1000;
      await Promise.all([repeat(until, () => 400 + Math.random() * 1600, strike), repeat(until, () => 40, look)]);
      const meanwhile = await waitFor('the log to get on', logged, 30_000);
      await Promise.all(writers.splice(0).map((writer) => writer.end()));
      await waitFor('the rest', async () => (await logged()) >= acknowledged.size, 90_000);
      await Promise.all(instances.splice(0).map(({ process: each }) => each.kill()));

      const findings = await checkLog(query, signer.verifier, acknowledged, seen);
      if (process.env.GRAVITAS_STORM_SECONDS)
        console.info(JSON.stringify({ ...done, acknowledged: acknowledged.size, meanwhile, ...findings }), [
          ...warnings,
        ]);
      expect(findings.problems).toEqual([]);
      expect(findings.events).toBe(acknowledged.size);
      expect(Number((await query<{ count: string }>('SELECT count(*) FROM audit_log', []))[0]!.count)).toBe(
        acknowledged.size,
      );
    },
    (SECONDS + 180) * 1000,
  );

  it.each([
    [
      'an event that is gone',
      `DELETE FROM audit_log WHERE id = (SELECT ids[1] FROM tlog_leaves WHERE tenant_id = 'tenant-7' LIMIT 1)`,
      /is gone/,
    ],
    [
      'a row of leaves that is gone',
      `DELETE FROM tlog_leaves WHERE (tenant_id, first) = ('tenant-7', 0)`,
      /leaf \d+ where 0 is due/,
    ],
    [
      'an event that is changed',
      `UPDATE audit_log SET reason = 'x' WHERE tenant_id = 'tenant-7'`,
      /tenant-7: another root at/,
    ],
  ])(
    'the check would find %s',
    async (_name, sql, problem) => {
      const client = await pool.connect();
      try {
        await client.query(`BEGIN; ${sql}`);
        const within: Query = async (text, values) => (await client.query(text, [...values])).rows as never;
        const { problems } = await checkLog(within, signer.verifier, acknowledged, seen, 'tenant-7');
        expect(problems.join('\n')).toMatch(problem);
      } finally {
        await client.query('ROLLBACK');
        client.release();
      }
    },
    120_000,
  );
});

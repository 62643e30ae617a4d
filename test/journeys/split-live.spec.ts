import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { type ServiceName } from '#contracts';
import { openMove, verbs, type Move, type Plan } from '#decomposition';
import { migrateAtBoot } from '#database';
import { startSecondServer, waitFor, type SecondServer } from '#testing';
import { judge, oldRows, type Databases, type Old } from '../support/moving/judge.js';
import { SteadyLoad } from '../support/moving/load.js';
import { planOf } from '../support/moving/monolith-plan.js';
import { preload } from '../support/moving/preload.js';
import { type ControlPlane } from '../support/control-plane.js';
import { provisionMonolith, type Monolith } from '../support/monolith.js';
import { ALL_SERVICES } from '../support/services.js';

/** The long form: GRAVITAS_SPLIT_ROWS=200000 npm test -- split-live */
const ROWS = Number(process.env.GRAVITAS_SPLIT_ROWS ?? 2000);
const REST_MS = 60;
/** As long as services wait. */
const PAUSE_TIMEOUT_MS = 9000;
const MINUTES = 60_000;
const ORDER: readonly ServiceName[] = ['telemetry', 'guardian', 'lobby', 'router', 'gatekeeper'];

describe(`five services leave a shared database, ${ROWS} rows in each of its five tables, under load`, () => {
  let elsewhere: SecondServer;
  let monolith: Monolith;
  let plane: ControlPlane;
  let plan: Plan;
  let load: SteadyLoad;
  let old: Old;
  const moved = new Set<ServiceName>();
  const pools = new Map<string, pg.Pool>();
  const figures: string[] = [];

  const query = (url: string) => async (sql: string, values?: unknown[]) => {
    if (!pools.has(url)) pools.set(url, new pg.Pool({ connectionString: url, max: 2 }));
    return (await pools.get(url)!.query(sql, values)).rows as never;
  };
  const databases = (): Databases =>
    Object.fromEntries(
      ORDER.map((name) => [name, query(moved.has(name) ? monolith.services[name].targetUrl : monolith.url)]),
    ) as unknown as Databases;

  beforeAll(async () => {
    elsewhere = await startSecondServer();
    monolith = await provisionMonolith({ gatekeeper: elsewhere.url });
    // The load reads the history right after an answer, which waits for it.
    plane = await monolith.start({ LOBBY_HISTORY_TIMEOUT_MS: '20000' });
    const shared = new pg.Pool({ connectionString: monolith.url, max: 2 });
    await preload(shared, plane.gatekeeper.database.runtimeUrl, ROWS);
    await shared.end();
    plan = planOf(monolith);
    old = await oldRows(databases());
    load = new SteadyLoad(plane, REST_MS);
    await load.start();
  }, 5 * MINUTES);

  afterAll(async () => {
    await load?.stop();
    await plane?.close();
    await Promise.all([...pools.values()].map((pool) => pool.end()));
    await monolith?.drop();
    await elsewhere?.stop();
    process.stderr.write(`${figures.join('\n')}\n`);
  });

  const within = async (name: ServiceName, work: (move: Move) => Promise<void>): Promise<void> => {
    const move = openMove(plan, name);
    try {
      await work(move);
    } finally {
      await move.close();
    }
  };
  const there = async (move: Move, name: ServiceName): Promise<void> => {
    const report = await allowed(() => verbs.switchWrites(move, { dryRun: false, pauseTimeoutMs: PAUSE_TIMEOUT_MS }));
    moved.add(name);
    const steps = report.steps.map(({ step, ms }) => `${step} ${Math.round(ms)}`).join(', ');
    figures.push(`${name}: writes waited ${Math.round(report.pause_ms!)} ms for the switch (${steps})`);
    expect(await move.state.read()).toMatchObject({ phase: 'switched', writes: 'target' });
  };

  it.each(ORDER)(
    '%s',
    async (name) => {
      await within(name, async (move) => {
        const { owner, runtime, further } = monolith.services[name];
        const passwords = new Map([owner, runtime, ...further].map((login) => [login.name, login.password]));
        await verbs.create(move, {
          dryRun: false,
          passwords: (login) => passwords.get(login.name)!,
          migrate: (url) => migrated(name, url, runtime.name),
        });
        await verbs.copy(move);
        expect(await verbs.verify(move, { full: false, repair: false })).toMatchObject({
          clean: true,
          differences: [],
        });
        for (const percent of [10, 50, 100])
          await allowed(() => verbs.switchReads(move, { percent, shadowPercent: 20, dryRun: false }));
        await there(move, name);
        expect(await verbs.verify(move, { full: false, repair: false })).toMatchObject({
          clean: true,
          differences: [],
        });
      });
    },
    10 * MINUTES,
  );

  it.each(['telemetry', 'gatekeeper'] as const)(
    '%s goes back, with every row written since, and moves again',
    async (name) => {
      await within(name, async (move) => {
        const before = load.ledger.measurements.size;
        await waitFor('some more measurements', () => Promise.resolve(load.ledger.measurements.size > before + 10));
        const began = performance.now();
        const report = await allowed(() => verbs.reverse(move, { dryRun: false, pauseTimeoutMs: PAUSE_TIMEOUT_MS }));
        moved.delete(name);
        figures.push(
          `${name}: back after ${Math.round(performance.now() - began)} ms, of which writes waited ${Math.round(report.pause_ms!)} ms`,
        );
        expect(await verbs.verify(move, { full: false, repair: false })).toMatchObject({
          clean: true,
          differences: [],
        });
        await there(move, name);
      });
    },
    10 * MINUTES,
  );

  it('no request failed, and no row is lost, doubled or changed', async () => {
    const ledger = await load.stop();
    figures.push(
      `${Object.values(ledger.requests).reduce((a, b) => a + b)} requests; p50 ${Math.round(ledger.quantile(0.5))} ms, p99 ${Math.round(ledger.quantile(0.99))} ms, longest ${Math.round(ledger.quantile(1))} ms`,
    );
    expect(ledger.failures).toEqual([]);
    expect(await oldRows(databases())).toEqual(old);
    // The gatekeeper's trail and the router's decisions are written a moment after the answer.
    const agree = async (): Promise<boolean> => (await judge(ledger, databases())).length === 0;
    await waitFor('ledger and databases to agree', agree, 20_000).catch(() => undefined);
    expect(await judge(ledger, databases())).toEqual([]);
  });

  it('every event is in the log, wherever its transaction was counted', async () => {
    const trail = databases().gatekeeper;
    const counts = async () =>
      (
        await trail<{ events: string; leaves: string; named: string }>(
          `SELECT (SELECT count(*) FROM audit_log) AS events, (SELECT sum(size) FROM tlog_trees) AS leaves,
             (SELECT sum(cardinality(ids)) FROM tlog_leaves) AS named`,
        )
      )[0]!;
    await waitFor(
      'the log to take in all events',
      async () => {
        const { events, leaves, named } = await counts();
        return events === leaves && events === named;
      },
      20_000,
    );
  });

  it('the moves are completed: nothing of the tables is left in the shared database', async () => {
    for (const name of ORDER)
      await within(name, async (move) => {
        await allowed(() => verbs.complete(move, { dryRun: false, now: true }));
      });
    const left = await query(monolith.url)(
      `SELECT tablename FROM pg_tables WHERE tablename NOT LIKE '%migrations' AND schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(left).toEqual([]);
    expect(await judge(load.ledger, databases())).toEqual([]);
    expect(await oldRows(databases())).toEqual(old);
  });
});

/** A verb that is refused, or takes itself back, because a server stands still is run again, as it says. */
async function allowed<T>(verb: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 60_000; ;) {
    try {
      return await verb();
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (!/^(refused|timeout|busy|57014|55P03)$/.test(code) || Date.now() > deadline) throw error;
      await sleep(500);
    }
  }
}

/** The service's own migrations, in the database it will have. */
async function migrated(service: ServiceName, url: string, runtimeRole: string): Promise<void> {
  const { entities, migrations } = ALL_SERVICES.find(({ name }) => name === service)!.definition;
  await migrateAtBoot({ service, url, runtimeRole, entities, migrations });
}

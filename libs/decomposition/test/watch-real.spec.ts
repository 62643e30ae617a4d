import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { waitFor } from '#testing';
import { verbs } from '../src/core/library.js';
import { watch } from '../src/core/watch/run-watch.js';
import { type WatchEvent } from '../src/core/watch/watch-event.js';
import { withIntent } from '../src/route/intent.js';
import { patiently } from './support/patiently.js';
import { plant } from './support/planted.js';
import { realMove, type RealMove } from './support/real-move.js';
import { joinMove, type WritingParticipant } from './support/writing-participant.js';

/** All causes, with the settings that a plan has by itself: GRAVITAS_SPLIT_WINDOW_MS=4000 npm test -- watch-real */
const LONG = process.env.GRAVITAS_SPLIT_WINDOW_MS !== undefined;
const WINDOW_MS = Number(process.env.GRAVITAS_SPLIT_WINDOW_MS ?? 500);
const LAG_S = 5;
/** From the cause to writes that go to the source again; a stream that stands still is one when it is behind by more than the threshold. */
const WITHIN_MS = 10_000;
const PATIENT = { dryRun: false, pauseTimeoutMs: 20_000 };

interface Scene {
  real: RealMove;
  participant: WritingParticipant;
  load: { errors: number; ms: number };
}

/** Each takes itself back. */
type Cause = (scene: Scene) => Promise<() => Promise<void>>;

const nothing = (): Promise<void> => Promise.resolve();
const CAUSES: Record<string, Cause> = {
  error_rate: async ({ load }) => {
    load.errors = 1;
    return nothing;
  },
  p95: async ({ load }) => {
    load.ms = 1500;
    return nothing;
  },
  shadow_consistency: async ({ real }) => {
    // What has changed since the last verification would be compared, and keep the way back shut.
    await plant(real.source, `UPDATE note SET body = 'not what was written' WHERE id <= 500`);
    return nothing;
  },
  lag: async ({ real }) => {
    const { rows } = await real.source.query<{ name: string }>(
      `SELECT quote_ident(subname) AS name FROM pg_subscription WHERE subenabled
         AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    await real.source.query(`ALTER SUBSCRIPTION ${rows[0]!.name} DISABLE`);
    return nothing;
  },
  pool_use: async ({ participant: { pool } }) => {
    const held: pg.PoolClient[] = [];
    await withIntent({ kind: 'read' }, async () => {
      for (let i = 0; i < 9; i++) held.push(await pool.connect());
    });
    return async () => held.forEach((client) => client.release());
  },
};

describe.each([
  ['replication', LONG ? Object.keys(CAUSES) : ['lag', 'pool_use']],
  ['dual-write', LONG ? Object.keys(CAUSES).filter((cause) => cause !== 'lag') : ['shadow_consistency']],
])('watch over a move by %s, with what is really there', (strategy, causes) => {
  let scene: Scene;
  let stop: AbortController;
  let writing: AbortController;
  let busy: Promise<unknown>;
  let watching: Promise<void> = Promise.resolve();
  let events: WatchEvent[];
  let undo = nothing;
  let written = 0;
  const figures: string[] = [];

  beforeAll(async () => {
    const real = await realMove({
      source: `CREATE TABLE note (id bigint PRIMARY KEY, body text); INSERT INTO note SELECT n, 'old' FROM generate_series(1, 500) n`,
      tables: ['note'],
      service: { strategy },
      settings: { watch: { window_ms: WINDOW_MS, lag_s: LAG_S } },
    });
    await real.bringInStep();
    await verbs.verify(real.move, { full: false, repair: false });
    await patiently(() => verbs.switchReads(real.move, { percent: 100, shadowPercent: 100, dryRun: false }));
    const participant = await joinMove(real.urls, { shadow: { delays: [10, 20] }, pauseLimitMs: 30_000 });
    scene = { real, participant, load: { errors: 0, ms: 20 } };
  });

  afterAll(async () => {
    await scene?.participant.close();
    await scene?.real.drop();
    process.stderr.write(`${figures.join('\n')}\n`);
  });

  beforeEach(async () => {
    const { real, load } = scene;
    Object.assign(load, { errors: 0, ms: 20 });
    [stop, writing, events] = [new AbortController(), new AbortController(), []];
    await verbs.verify(real.move, { full: true, repair: true });
    busy = Promise.all([requests(), writes()]);
    await patiently(() => verbs.switchWrites(real.move, PATIENT));
  });

  afterEach(async () => {
    stop.abort();
    writing.abort();
    await undo();
    undo = nothing;
    await Promise.all([watching, busy]);
  });

  /** What a service's middleware would count, told ten times a second. */
  const requests = async (): Promise<void> => {
    const { participant, load } = scene;
    const { stats } = participant.participation;
    while (!writing.signal.aborted) {
      for (let i = 0; i < 10; i++) {
        stats.answered(load.ms, i < load.errors);
        await withIntent({ kind: 'read', key: 'somebody' }, () =>
          participant.pool.query('SELECT * FROM note WHERE id = $1', [1 + (stats.requests % 500)]),
        );
      }
      await participant.participation.refresh();
      await sleep(50);
    }
  };
  const writes = async (): Promise<void> => {
    while (!writing.signal.aborted) {
      await scene.participant.pool.query('INSERT INTO note VALUES ($1, $2)', [1000 + written, 'new']);
      written++;
      await sleep(5);
    }
  };
  const begin = (action: 'reverse' | 'alert', cause: string): void => {
    const { move } = scene.real;
    const settings = { ...move.plan.watch, action };
    // A machine that stands still sets off these two.
    if (!LONG && cause !== 'lag') settings.lag_s = null;
    if (!LONG && cause !== 'pool_use') settings.pool_use_percent = null;
    watching = watch(
      { ...move, plan: { ...move.plan, watch: settings } },
      {
        openStream: verbs.openStream,
        reverse: (one) => patiently(() => verbs.reverse(one, PATIENT)),
        signal: stop.signal,
        onEvent: (event) => events.push(event),
      },
    );
  };
  const named = <E extends WatchEvent['event']>(name: E): Extract<WatchEvent, { event: E }>[] =>
    events.filter((event): event is Extract<WatchEvent, { event: E }> => event.event === name);
  const windows = async (count: number): Promise<unknown> => {
    const wanted = named('window').length + count;
    return waitFor(`${count} windows`, () => named('window').length >= wanted, 10 * WINDOW_MS + 20_000);
  };
  const expectAllOn = async (side: 'source' | 'target'): Promise<void> => {
    const { rows } = await scene.real[side].query<{ count: number }>(
      'SELECT count(*)::int AS count FROM note WHERE id >= 1000',
    );
    expect(rows[0]!.count).toBe(written);
  };

  it.each(causes)('%s leads back, with every row, and once', async (trigger) => {
    begin('reverse', trigger);
    await windows(LONG ? 3 : 1);
    expect(named('fired')).toEqual([]);
    const at = performance.now();
    undo = await CAUSES[trigger]!(scene);
    await waitFor('the way back', () => named('reversed').length > 0, 6 * WITHIN_MS);
    const ms = Math.round(performance.now() - at - (trigger === 'lag' ? LAG_S * 1000 : 0));
    figures.push(`${strategy}, ${trigger}: back after ${ms} ms, of which ${named('reversed')[0]!.ms} ms to reverse`);
    expect(named('reverse_failed')).toEqual([]);
    expect(named('fired')).toMatchObject([{ action: 'reverse', decisions: [{ trigger }] }]);
    if (LONG) expect(ms).toBeLessThan(WITHIN_MS);
    expect(await scene.real.move.state.read()).toMatchObject({ phase: 'in_step', writes: 'source', readPercent: 0 });
    // The cause lasts; there is nothing more to take back.
    await windows(LONG ? 5 : 3);
    expect(named('reversed')).toHaveLength(1);
    expect(
      named('fired')
        .slice(1)
        .filter(({ action }) => action === 'reverse'),
    ).toEqual([]);
    // After an outage it begins anew.
    expect(named('fired').length).toBeLessThanOrEqual(2 + named('trouble').length);
    stop.abort();
    writing.abort();
    await Promise.all([watching, busy]);
    await expectAllOn('source');
  });

  it('tells, and touches nothing, when that is what the plan says', async () => {
    begin('alert', 'error_rate');
    scene.load.errors = 1;
    await waitFor('news of the watch', () => named('fired').length > 0, WITHIN_MS + 20_000);
    await windows(LONG ? 5 : 3);
    const fired = { action: 'alert', decisions: [{ trigger: 'error_rate' }] };
    expect(named('fired')).toMatchObject(named('fired').map(() => fired));
    expect(named('fired').length).toBeLessThanOrEqual(1 + named('trouble').length);
    expect(await scene.real.move.state.read()).toMatchObject({ phase: 'switched', writes: 'target' });
    stop.abort();
    writing.abort();
    await Promise.all([watching, busy]);
    await expectAllOn('target');
    await patiently(() => verbs.reverse(scene.real.move, PATIENT));
    await expectAllOn('source');
  });
});

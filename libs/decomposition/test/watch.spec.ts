import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { SplitError } from '../src/core/errors.js';
import { type Side } from '../src/core/side.js';
import { watch } from '../src/core/watch/run-watch.js';
import { type WatchEvent } from '../src/core/watch/watch-event.js';
import { WatchMetrics } from '../src/core/watch/watch-metrics.js';
import { smallMove, type SmallMove } from './support/small-move.js';

const WINDOW_MS = 400;
const REPORT_MS = 50;
const P95 = /gravitas_split_watch_value\{service="thing",trigger="p95"\} [12]\d/;
const LE = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

describe('watch', () => {
  let small: SmallMove;
  let stop: AbortController;
  let events: WatchEvent[];
  let watching: Promise<void>;
  let reporting: NodeJS.Timeout;
  let lag: number | null;
  let follow: () => Promise<string[]>;
  let runs: { from: Side; signal: AbortSignal }[];
  let reported: boolean;
  const metrics = new WatchMetrics();
  const load = { errors: 0, ms: 20 };
  const counted = { requests: 0, errors: 0, count: [...LE, 0].map(() => 0) };

  beforeEach(async () => {
    small = await smallMove({
      ddl: 'CREATE TABLE things (id int PRIMARY KEY)',
      tables: ['things'],
      settings: { watch: { window_ms: WINDOW_MS } },
    });
    Object.assign(load, { errors: 0, ms: 20 });
    [stop, events, runs, lag, reported] = [new AbortController(), [], [], 0, true];
    follow = () => Promise.resolve([]);
    await small.source.query(
      `INSERT INTO decomposition.beats VALUES ('thing', 'source', 1, now() - interval '1 hour')`,
    );
    await small.move.state.change({ phase: 'in_step', readPercent: 10 });
    reporting = setInterval(report, REPORT_MS);
  });

  afterEach(async () => {
    clearInterval(reporting);
    stop.abort();
    await watching;
    await small.drop();
  });

  function report(): void {
    counted.requests += 10;
    counted.errors += load.errors;
    counted.count[LE.findIndex((le) => load.ms <= le)]! += 10;
    // One after the other: an older one may not come later.
    if (!reported) return;
    reported = false;
    const stats = { ...counted, latency_ms: { le: LE, count: counted.count }, pool: { used: 1, size: 10 } };
    small.target
      .query(
        `INSERT INTO decomposition.instances AS i (instance, service, epoch, stats) VALUES ('one', 'thing', 1, $1)
         ON CONFLICT (instance) DO UPDATE SET stats = excluded.stats, seen_at = now()`,
        [JSON.stringify(stats)],
      )
      // The last one may come when all is taken down.
      .catch(() => undefined)
      .finally(() => (reported = true));
  }

  function begin(reverse: () => Promise<unknown>): void {
    watching = watch(small.move, {
      openStream: (_, from) => ({
        lag: () => Promise.resolve({ seconds: lag, pending: 0, pendingUnit: 'bytes' }),
        run: async (signal) => {
          runs.push({ from, signal });
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
      }),
      reverse,
      follow: () => follow(),
      signal: stop.signal,
      onEvent: (event) => events.push(event),
      metrics,
    });
  }

  const named = (name: WatchEvent['event']): WatchEvent[] => events.filter(({ event }) => event === name);
  /** What goes wrong with the target for a moment aside: a machine that stands still is told of, too. */
  const otherTrouble = (): WatchEvent[] =>
    events.filter((event) => event.event === 'trouble' && event.what !== 'target');
  const soon = (what: string, read: () => unknown): Promise<unknown> => waitFor(what, read, 20_000);
  const quiet = (): Promise<unknown> => soon('four windows', () => named('window').length >= 4);

  it('follows what the other side has got since, and tells it', async () => {
    const partitions = ['partition public.things_2'];
    follow = () => Promise.resolve(partitions.splice(0));
    begin(() => Promise.resolve());
    await soon('the news', () => named('followed').length > 0);
    await quiet();
    expect(named('followed')).toMatchObject([{ made: ['partition public.things_2'] }]);
    expect(otherTrouble()).toEqual([]);
  });

  it('looks on when it cannot follow', async () => {
    follow = () => Promise.reject(new Error('readers hold the table'));
    begin(() => Promise.resolve());
    await quiet();
    expect(otherTrouble()).toMatchObject([{ what: 'partitions', message: 'readers hold the table' }]);
  });

  it('reverses by what participants report, writes it down, and shows it', async () => {
    begin(() => small.move.state.change({ readPercent: 0 }));
    await quiet();
    expect(named('fired')).toEqual([]);
    load.errors = 2;
    await soon('news of the watch', () => named('reversed').length > 0);
    expect(named('fired')[0]).toMatchObject({
      action: 'reverse',
      decisions: [{ trigger: 'error_rate', threshold: 3 }],
    });
    // There is nothing to take back any more: from now on it tells only.
    await soon('news of the watch', () => named('fired').length > 1);
    expect(named('fired')[1]).toMatchObject({ action: 'alert' });
    const journal = await waitFor('both in the journal', async () => {
      const { rows } = await small.target.query<{ step: string }>(
        `SELECT step, detail FROM decomposition.journal
         WHERE verb = 'watch' AND detail ->> 'action' IS DISTINCT FROM 'alert' ORDER BY step`,
      );
      return rows.length >= 2 && rows;
    });
    expect(journal).toMatchObject([
      { step: 'fired', detail: { action: 'reverse', decisions: [{ trigger: 'error_rate' }] } },
      { step: 'reversed' },
    ]);
    const labels = 'service="thing",trigger="error_rate"';
    // The cause lasts.
    const text = await waitFor('what it sees', async () => {
      const shown = await metrics.registry.metrics();
      return shown.includes(`gravitas_split_watch_windows_over{${labels}} 2`) && P95.test(shown) && shown;
    });
    expect(text).toContain(`gravitas_split_watch_threshold{${labels}} 3`);
    expect(text).toContain(`gravitas_split_watch_fired_total{${labels},action="reverse"} 1`);
  });

  it('tries again when the reverse fails, as long as the cause lasts', async () => {
    let tries = 0;
    begin(async () => {
      tries++;
      if (tries === 1) throw new SplitError('busy', 'Another run works on it.', 'Wait for it.');
      await small.move.state.change({ readPercent: 0 });
    });
    await quiet();
    load.ms = 2000;
    await soon('news of the watch', () => named('reversed').length > 0);
    expect(named('reverse_failed')).toMatchObject([{ message: 'Another run works on it.', next: 'Wait for it.' }]);
    expect(tries).toBe(2);
  });

  it('tries less and less often when it fails each time', async () => {
    const tries = async (): Promise<[number, number, number]> => {
      const at: number[] = [];
      [stop, events, load.errors] = [new AbortController(), [], 0];
      begin(async () => {
        at.push(performance.now());
        throw new SplitError('different', 'The sides differ.', 'Repair it.');
      });
      await quiet();
      load.errors = 2;
      await soon('three tries', () => at.length >= 3);
      stop.abort();
      await watching;
      return at as [number, number, number];
    };
    // Once in a while a machine stands still between the first two.
    await waitFor(
      'the third to take its time',
      async () => {
        const [first, second, third] = await tries();
        expect(third - second).toBeGreaterThan(4 * WINDOW_MS);
        return third - second > 1.5 * (second - first);
      },
      25_000,
    );
  });

  it('takes a stream that does not move at all for one that falls behind', async () => {
    begin(() => small.move.state.change({ readPercent: 0 }));
    await quiet();
    lag = null;
    await soon('news of the watch', () => named('reversed').length > 0);
    expect(named('fired')).toMatchObject([{ decisions: [{ trigger: 'lag' }] }]);
  });

  it('runs the stream of the phase, and leaves nothing running', async () => {
    begin(() => Promise.resolve());
    await soon('news of the watch', () => runs.length === 1);
    await small.move.state.change({ phase: 'switched', writes: 'target' });
    await soon('news of the watch', () => runs.length === 2);
    expect(runs.map(({ from, signal }) => [from, signal.aborted])).toEqual([
      ['source', true],
      ['target', false],
    ]);
    stop.abort();
    await watching;
    expect(runs[1]!.signal.aborted).toBe(true);
  });

  it('tells once that the state cannot be read, and goes on when it can be again', async () => {
    begin(() => Promise.resolve());
    await quiet();
    await small.target.query('ALTER TABLE decomposition.moves RENAME COLUMN epoch TO no_epoch');
    const told = (): string[] =>
      events.flatMap((one) =>
        (one.event === 'trouble' || one.event === 'recovered') && one.what === 'target' ? one.event : [],
      );
    await soon('news of the watch', () => told().at(-1) === 'trouble');
    await small.target.query('ALTER TABLE decomposition.moves RENAME COLUMN no_epoch TO epoch');
    await soon('news of the watch', () => told().at(-1) === 'recovered');
    // In turns, however often.
    expect(told()).toEqual(told().map((_, i) => (i % 2 === 0 ? 'trouble' : 'recovered')));
    const before = named('window').length;
    await soon('news of the watch', () => named('window').length > before);
  });
});

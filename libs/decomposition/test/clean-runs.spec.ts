import { afterEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { verbs } from '../src/core/library.js';
import { type Side } from '../src/core/side.js';
import { openStream } from '../src/core/stream/open-stream.js';
import { type VerifyResult } from '../src/core/verbs.js';
import { contentOf } from './support/content.js';
import { patiently } from './support/patiently.js';
import { realMove, type RealMove } from './support/real-move.js';
import {
  RESTLESS_DATA,
  RESTLESS_DDL,
  RESTLESS_TABLES,
  startWriters,
  type Writers,
} from './support/restless-writers.js';
import { joinMove, type WritingParticipant } from './support/writing-participant.js';

/** Of each kind, on each side of a switch. The long form: GRAVITAS_SPLIT_RUNS=20 npm test -- clean-runs */
const RUNS = Number(process.env.GRAVITAS_SPLIT_RUNS ?? 1);
const QUIET_ROWS = 4000;
const MINUTES = 60_000;
/** As long as who takes part waits. */
const PAUSE_TIMEOUT_MS = 9000;

/** Rows that nobody writes to, beside those that all writers want. */
const QUIET = `
  INSERT INTO doc SELECT 100000 + n, 1500000000 + n, 0, md5(n::text) FROM generate_series(1, ${QUIET_ROWS}) n;
  ANALYZE`;

describe.each(['replication', 'dual-write'])('%s, four writers at full speed', (strategy) => {
  let real: RealMove;
  let participant: WritingParticipant | undefined;
  const writing = new Set<Writers>();
  const running: { stop: AbortController; ended: Promise<void> }[] = [];
  const figures: string[] = [];

  afterEach(async () => {
    for (const one of [...writing]) await stop(one).catch(() => 0);
    for (const one of running.splice(0)) {
      one.stop.abort();
      await one.ended;
    }
    await participant?.close();
    await real?.drop();
    process.stderr.write(`${figures.join('\n')}\n`);
  });

  const begin = (pool: RealMove['source'], count: number): Writers => {
    const one = startWriters(pool, count);
    writing.add(one);
    return one;
  };
  const stop = async (one: Writers): Promise<number> => {
    writing.delete(one);
    return one.stop();
  };
  /** As `watch` does: somebody carries the changes over, where the strategy needs that. */
  const follow = async (from: Side): Promise<void> => {
    const stream = await verbs.openStream(real.reopen(), from);
    const ending = new AbortController();
    running.push({ stop: ending, ended: stream.run?.(ending.signal) ?? Promise.resolve() });
  };
  /** `verify` has something to compare, then. */
  const writtenTo = async (side: Side): Promise<void> => {
    const last = async (): Promise<number> =>
      (await real[side].query<{ xid: number }>('SELECT max(xmin::text::bigint)::float8 AS xid FROM doc')).rows[0]!.xid;
    const before = await last();
    await waitFor(`writes on the ${side}`, async () => (await last()) > before);
  };
  const runs = async (name: string): Promise<void> => {
    const results: VerifyResult[] = [];
    const began = performance.now();
    for (let run = 0; run < 2 * RUNS; run++)
      results.push(await verbs.verify(real.move, { full: run % 2 === 1, repair: false }));
    const ms = Math.round((performance.now() - began) / results.length);
    figures.push(`${strategy}, ${name}: ${results.length} runs, ${ms} ms each`);
    expect(results.flatMap(({ differences }) => differences)).toEqual([]);
    expect(results.every(({ clean }) => clean)).toBe(true);
    // There was something to be mistaken about.
    for (const { tables } of results) expect(tables[0]!.rows_compared).toBeGreaterThan(0);
  };
  const expectEqual = async (from: Side): Promise<void> => {
    await openStream(real.move, from).catchUp(30_000, real.move.signal);
    expect(await contentOf(real.move, 'target')).toEqual(await contentOf(real.move, 'source'));
  };

  it(
    `finds nothing in ${4 * RUNS} runs, half of them full, before a switch and after it`,
    async () => {
      real = await realMove({
        source: `${RESTLESS_DDL}; ${RESTLESS_DATA}; ${QUIET}`,
        tables: RESTLESS_TABLES,
        service: { strategy },
      });
      await real.bringInStep();
      await follow('source');
      participant = await joinMove(real.urls);
      const [outsiders, insiders] = [begin(real.reopen().databases.source, 2), begin(participant.pool, 2)];
      const at = performance.now();
      await runs('followed by the target');
      expect(participant.participation.move?.dual).toBe(strategy === 'dual-write');
      // From now on the fence would refuse them.
      let written = await stop(outsiders);
      await patiently(() => verbs.switchWrites(real.move, { dryRun: false, pauseTimeoutMs: PAUSE_TIMEOUT_MS }));
      await follow('target');
      const more = begin(participant.pool, 2);
      await writtenTo('target');
      await runs('followed by the source');
      written += (await stop(more)) + (await stop(insiders));
      figures.push(`${strategy}: ${Math.round(written / ((performance.now() - at) / 1000))} transactions a second`);
      await expectEqual('target');
      expect(participant.participation.stats.fenced).toBe(0);
    },
    30 * MINUTES,
  );
});

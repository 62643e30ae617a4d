import { type Move } from '../move.js';
import { otherSide, type Side } from '../side.js';
import { type CatchUps } from './catch-ups.js';
import { type Comparison } from './comparison.js';
import { describeRows } from './describe.js';
import { type Findings } from './findings.js';
import { hashRange, sameRows, versionsOf } from './hash-range.js';
import { inParallel } from './in-parallel.js';
import { cutRange, type Key, type KeyRange } from './key-range.js';
import { type EqualRange, type RangeStore } from './range-store.js';
import { repairRows } from './repair-rows.js';
import { settle, type Settled, type SettleOptions, type StandingRow } from './settle.js';
import { suspectsOf } from './suspects.js';
import { type TableVerification } from './verification.js';

export interface TableRun {
  move: Move;
  leader: Side;
  catchUps: CatchUps;
  findings: Findings;
  store: RangeStore;
  began: Date;
  rangeRows: number;
  workers: number;
  repair: boolean;
  settling: SettleOptions;
  /** Rows dealt with since the last call. */
  onRows: (rows: number) => void;
}

export interface TableResult extends TableVerification {
  repaired: number;
}

/** Compares what was not found equal before, or was written to since. */
export async function verifyTable(run: TableRun, comparison: Comparison): Promise<TableResult> {
  const { name: table } = comparison;
  const result = {
    rows: 0,
    ranges: 0,
    compared: 0,
    skipped: 0,
    rows_compared: 0,
    busy: 0,
    differences: 0,
    repaired: 0,
  };
  await run.store.removeStale(table);
  const kept = await stillEqual(run, comparison, await run.store.load(comparison));
  for (const { rows } of kept) {
    result.rows += rows;
    run.onRows(rows);
  }
  result.skipped = kept.length;
  await inParallel(rangesBetween(run, comparison, kept), run.workers, async (range) => {
    run.move.signal.throwIfAborted();
    const found = await compareRange(run, comparison, range);
    result.compared++;
    result.rows += found.rows;
    result.rows_compared += found.rows;
    result.busy += found.busy;
    result.differences += found.differences;
    result.repaired += found.repaired;
    run.onRows(found.rows);
  });
  result.ranges = result.compared + result.skipped;
  return { table, ...result };
}

/**
 * The change log tells what the authoritative side wrote; nothing should write to the other one but what follows it. Whether
 * something did can be seen without comparing anything; such ranges are forgotten.
 */
async function stillEqual(
  { move, leader, store, workers }: TableRun,
  comparison: Comparison,
  stored: readonly EqualRange[],
): Promise<EqualRange[]> {
  const follower = otherSide(leader);
  const touched = new Set<number>();
  await inParallel(eachOf(stored), workers, async (range) => {
    move.signal.throwIfAborted();
    const versions = await versionsOf(move.databases[follower], comparison, range);
    if (versions !== range.versions[follower]) touched.add(range.place);
  });
  if (touched.size > 0) await store.remove(comparison.name, [...touched]);
  return stored.filter(({ place }) => !touched.has(place));
}

async function* eachOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** @param kept in the order of their keys */
async function* rangesBetween(
  { move, leader, rangeRows }: TableRun,
  comparison: Comparison,
  kept: readonly KeyRange[],
): AsyncGenerator<KeyRange> {
  const cut = (low: Key | null, high: Key | null): AsyncGenerator<KeyRange> =>
    cutRange(move.databases[leader], comparison, { low, high }, rangeRows);
  let low: Key | null = null;
  for (const range of kept) {
    if (JSON.stringify(range.low) !== JSON.stringify(low)) yield* cut(low, range.low);
    low = range.high;
  }
  // After the last one there is nothing if it is endless.
  if (kept.length === 0 || low !== null) yield* cut(low, null);
}

interface RangeResult {
  rows: number;
  busy: number;
  differences: number;
  repaired: number;
}

async function compareRange(run: TableRun, comparison: Comparison, range: KeyRange): Promise<RangeResult> {
  const { source, target } = run.move.databases;
  const [one, other] = await Promise.all([hashRange(source, comparison, range), hashRange(target, comparison, range)]);
  const result = { rows: run.leader === 'source' ? one.rows : other.rows, busy: 0, differences: 0, repaired: 0 };
  if (sameRows(one, other)) {
    const versions = { source: one.versions, target: other.versions };
    await run.store.add(comparison, range, { rows: one.rows, hash: one.hash, versions }, run.began);
    return result;
  }
  for await (const keys of suspectsOf([source, target], comparison, range, Math.max(one.rows, other.rows))) {
    const found = await settleRows(run, comparison, keys);
    result.busy += found.busy.length;
    if (found.standing.length === 0) continue;
    const described = await describeRows(
      run.move.databases,
      run.leader,
      comparison,
      found.standing.slice(0, run.findings.room),
    );
    await run.findings.add(described, found.standing.length);
    const repaired = run.repair ? await repairAndLook(run, comparison, found.standing) : [];
    await run.findings.repaired(comparison.name, repaired);
    result.repaired += repaired.length;
    result.differences += found.standing.length - repaired.length;
  }
  return result;
}

function settleRows(run: TableRun, comparison: Comparison, keys: readonly Key[]): Promise<Settled> {
  const { move, leader, catchUps, settling } = run;
  const pools = { leader: move.databases[leader], follower: move.databases[otherSide(leader)] };
  return settle(pools, catchUps, comparison, keys, move.signal, settling);
}

/** @returns the keys of rows that are equal now, looked at again */
async function repairAndLook(run: TableRun, comparison: Comparison, rows: readonly StandingRow[]): Promise<Key[]> {
  await repairRows(run.move, run.leader, run.catchUps, comparison, rows);
  const again = await settleRows(
    run,
    comparison,
    rows.map(({ key }) => key),
  );
  const still = new Set([...again.standing.map(({ key }) => key), ...again.busy]);
  return rows.map(({ key }) => key).filter((key) => !still.has(key));
}

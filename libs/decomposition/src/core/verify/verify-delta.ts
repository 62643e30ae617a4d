import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { otherSide, type Side } from '../side.js';
import { checkSequencesStill } from './check-sequences.js';
import { readComparisons, type Comparison } from './comparison.js';
import { describeRows } from './describe.js';
import { hashRange, sameRows } from './hash-range.js';
import { inParallel } from './in-parallel.js';
import { type Key } from './key-range.js';
import { rowVersions } from './row-versions.js';
import { type StandingRow } from './settle.js';
import { suspectsOf } from './suspects.js';
import { MAX_LISTED, type Difference } from './verification.js';
import { type VerifyStream } from './verify.js';

const MAX_KEYS = 200_000;
const BATCH_KEYS = 2000;
const WORKERS = 3;

/**
 * Compares what changed on the side `from` since the last verification, and all sequences. For both sides standing still: nobody
 * writes, and the stream is drained. Takes as long as the changes are many, not the tables.
 *
 * @returns at most MAX_LISTED
 * @throws SplitError `refused` when more changed than fits a pause
 */
export async function verifyDelta(
  move: Move,
  from: Side,
  options: { stream: Pick<VerifyStream, 'changes'> },
): Promise<Difference[]> {
  const [{ comparisons, differences }, sequences] = await Promise.all([
    readComparisons(move, from),
    compareSequences(move, from),
  ]);
  const found = [...differences, ...sequences];
  const changed = await readDelta(move, options.stream);
  for (const comparison of comparisons) {
    const delta = changed.get(comparison.name);
    if (!delta) continue;
    const standing = delta.all
      ? await differingInAll(move, from, comparison)
      : await differingIn(move, from, comparison, [...delta.keys.values()]);
    const room = Math.max(0, MAX_LISTED - found.length);
    found.push(...(await describeRows(move.databases, from, comparison, standing.slice(0, room))));
  }
  return found;
}

interface Delta {
  all: boolean;
  keys: Map<string, Key>;
}

async function readDelta(move: Move, { changes }: Pick<VerifyStream, 'changes'>): Promise<Map<string, Delta>> {
  const changed = new Map<string, Delta>();
  let count = 0;
  for await (const { table, keys, all } of changes.read(move.signal)) {
    move.signal.throwIfAborted();
    const delta = changed.get(table) ?? { all: false, keys: new Map<string, Key>() };
    changed.set(table, delta);
    delta.all ||= all;
    count -= delta.keys.size;
    for (const key of keys) delta.keys.set(JSON.stringify(key), key);
    count += delta.keys.size;
    if (count > MAX_KEYS)
      throw new SplitError(
        'refused',
        `More than ${MAX_KEYS} rows of ${move.service.name} changed since the last verification: comparing them would hold up writes for long.`,
        'Run `verify`, and switch shortly after it.',
      );
  }
  return changed;
}

async function differingIn(
  move: Move,
  from: Side,
  comparison: Comparison,
  keys: readonly Key[],
): Promise<StandingRow[]> {
  const standing: StandingRow[] = [];
  await inParallel(batches(keys), WORKERS, async (batch) => {
    move.signal.throwIfAborted();
    const [right, wrong] = await Promise.all([
      rowVersions(move.databases[from], comparison, batch),
      rowVersions(move.databases[otherSide(from)], comparison, batch),
    ]);
    for (const [place, key] of batch.entries()) {
      const [one, other] = [right.get(place), wrong.get(place)];
      if (one?.hash === other?.hash) continue;
      const kind = one ? (other ? 'changed' : 'missing') : 'extra';
      standing.push({ key, kind, followerVersion: other?.version });
    }
  });
  return standing;
}

async function* batches(keys: readonly Key[]): AsyncGenerator<readonly Key[]> {
  for (let start = 0; start < keys.length; start += BATCH_KEYS) yield keys.slice(start, start + BATCH_KEYS);
}

/** After a TRUNCATE, or where the log cannot tell. */
async function differingInAll(move: Move, from: Side, comparison: Comparison): Promise<StandingRow[]> {
  const { source, target } = move.databases;
  const everything = { low: null, high: null };
  const [one, other] = await Promise.all([
    hashRange(source, comparison, everything),
    hashRange(target, comparison, everything),
  ]);
  if (sameRows(one, other)) return [];
  const standing: StandingRow[] = [];
  for await (const keys of suspectsOf([source, target], comparison, everything, Math.max(one.rows, other.rows)))
    standing.push(...(await differingIn(move, from, comparison, keys)));
  return standing;
}

async function compareSequences(move: Move, from: Side): Promise<Difference[]> {
  const [source, target] = await Promise.all([move.tables('source'), move.tables('target')]);
  return checkSequencesStill(move, from, { source, target });
}

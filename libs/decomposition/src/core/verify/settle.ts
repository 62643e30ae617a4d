import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type CatchUps } from './catch-ups.js';
import { type Comparison } from './comparison.js';
import { type Key } from './key-range.js';
import { rowVersions, type RowVersion } from './row-versions.js';

/** One row that is not equal, and not because its change is still on its way. */
export interface StandingRow {
  key: Key;
  kind: 'missing' | 'extra' | 'changed';
  /** What the follower had then; undefined when it had none. */
  followerVersion: string | undefined;
}

export interface Settled {
  standing: StandingRow[];
  /** Rows that changed each time they were looked at. */
  busy: Key[];
}

export interface SettleOptions {
  /** Looks at a row before it is taken for busy. Default 8. */
  rounds?: number;
  /**
   * Looks in a row, half a second apart, at which neither side may have changed. 1 where changes come to the follower only by
   * way of the leader; more where others write the follower first, as participants do with dual writes. Default 1.
   */
  still?: number;
  /** Keys of a table that were written on the follower while the leader's transaction goes on; an empty one stands for all rows. */
  underWay?: (table: string) => Promise<readonly Key[]>;
}

const STILL_MS = 500;
const textOf = (key: Key): string => JSON.stringify(key);
const ALL_ROWS = textOf([]);

type Verdict = StandingRow['kind'] | 'equal' | 'again';

/**
 * Tells rows that differ from rows whose change is on its way. In each round: the follower is read, then the leader, then the
 * stream is waited for, then both are read again. If the leader's row is the same version before and after, it has been there all the time,
 * so the follower must have it. If the leader has none before and after, and the follower's is the same version before and after, then
 * a deletion that came before cannot be on its way. Everything else is looked at again.
 */
export async function settle(
  { leader, follower }: { leader: pg.Pool; follower: pg.Pool },
  catchUps: CatchUps,
  comparison: Comparison,
  suspects: readonly Key[],
  signal: AbortSignal,
  { rounds = 8, still = 1, underWay = async () => [] }: SettleOptions = {},
): Promise<Settled> {
  const standing: StandingRow[] = [];
  const seen = new Map<Key, { versions: string; times: number }>();
  let open = [...suspects];
  for (let round = 0; round < rounds + still && open.length > 0; round++) {
    signal.throwIfAborted();
    // The last rounds are only for those that begin to stand still.
    if (round > 0) await sleep(still > 1 ? STILL_MS : Math.min(20 * 2 ** round, STILL_MS), undefined, { signal });
    const followerBefore = await rowVersions(follower, comparison, open);
    const leaderBefore = await rowVersions(leader, comparison, open);
    await catchUps.wait();
    const followerAfter = await rowVersions(follower, comparison, open);
    const leaderAfter = await rowVersions(leader, comparison, open);
    const again: Key[] = [];
    const due: StandingRow[] = [];
    for (const [place, key] of open.entries()) {
      const [one, two] = [leaderBefore.get(place), leaderAfter.get(place)];
      const [three, four] = [followerBefore.get(place), followerAfter.get(place)];
      const verdict = judge(one, two, three, four);
      if (verdict === 'equal') continue;
      const versions = `${two?.version} / ${four?.version}`;
      const before = seen.get(key);
      const times = before?.versions === versions ? before.times + 1 : 1;
      seen.set(key, { versions, times });
      if (verdict === 'again' || times < still) again.push(key);
      else due.push({ key, kind: verdict, followerVersion: four?.version });
    }
    const halves = new Set(due.length > 0 ? (await underWay(comparison.name)).map(textOf) : []);
    for (const row of due)
      if (halves.has(ALL_ROWS) || halves.has(textOf(row.key))) again.push(row.key);
      else standing.push(row);
    open = again;
  }
  return { standing, busy: open };
}

function judge(
  leaderBefore: RowVersion | undefined,
  leaderAfter: RowVersion | undefined,
  followerBefore: RowVersion | undefined,
  followerAfter: RowVersion | undefined,
): Verdict {
  if (leaderAfter?.hash === followerAfter?.hash) return 'equal';
  if (leaderBefore && leaderBefore.version === leaderAfter?.version) return followerAfter ? 'changed' : 'missing';
  if (!leaderBefore && !leaderAfter && followerBefore?.version === followerAfter?.version) return 'extra';
  return 'again';
}

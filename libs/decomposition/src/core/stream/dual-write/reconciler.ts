import type pg from 'pg';
import { fullName, type Table } from '../../catalogue/table.js';
import { SplitError } from '../../errors.js';
import { type Move } from '../../move.js';
import { otherSide, type Side } from '../../side.js';
import { BEGINNING, ChangeQueue, type LoggedChange, type Place } from './change-queue.js';
import { withFollowed } from './receiver.js';
import { RowSync } from './row-sync.js';

/** What a pass over the log came to. */
export interface Pass {
  settled: number;
  /** Entries that have to wait for another pass. */
  left: number;
  /** Why, of the last of them. */
  cause?: unknown;
}

const PAGE = 1000;

/**
 * Makes the receiving side's rows what the followed side's are, for every key in the log, and takes from the log exactly the entries
 * that it read before it looked at the row. Why that converges, whatever runs beside it and wherever it is interrupted:
 *
 * - A change and its entry are one transaction. The row is read after the entry was: as it is then, or newer. A change that commits
 *   later has its own entry, which was not among those read, and so is not taken out: its turn comes, and the row is read again.
 * - Ids are given before commits: an entry may turn up below others that are done. So no pass begins after "the last one"; it begins at
 *   the oldest that is left.
 * - Entries are taken out after the rows are committed on the receiving side. A kill in between makes it again, which changes nothing.
 * - Halves of dual writes log their keys on the receiving side likewise, with the transaction that is their other half. Once that
 *   has ended, either way, the row is made what it is on the followed side: a half that is alone is undone. Not before: it is under way.
 * - Two at once could put an older reading over a newer one. The receiving session holds a lock, and dies with it: see `withReceiver`.
 * - What unique indexes and locks keep out stays in the log, while its old row goes; so a ring of rows that pass a value on comes apart.
 */
export class Reconciler {
  private tables: { from: Table; to: Table }[] | undefined;
  private readonly own: ChangeQueue;
  private readonly halves: ChangeQueue;
  /** All before it is done: transactions older than the oldest that still ran. Spares reading over entries that are gone. */
  private floor: Place = BEGINNING;

  constructor(
    private readonly move: Move,
    readonly from: Side,
  ) {
    const queue = (side: Side): ChangeQueue => new ChangeQueue(move.databases[side], move.service.name, from);
    this.own = queue(from);
    this.halves = queue(otherSide(from));
  }

  /**
   * Once through both logs, as far as they go at the moment of the call. Ends early when the stream is stopped.
   *
   * @param receiver the session that holds the lock
   */
  pass(receiver: pg.ClientBase, signal: AbortSignal): Promise<Pass> {
    return withFollowed(this.move.databases[this.from], async (followed) =>
      this.work(await this.syncs(followed, receiver), signal),
    );
  }

  /** Whether a pass would find something. */
  async hasWork(): Promise<boolean> {
    const now = await this.runningAt();
    if (now === undefined) return false;
    if ((await this.own.page(this.floor, { own: now, followed: now }, 1)).length > 0) return true;
    return (await this.halves.page(BEGINNING, await this.halves.now(now), 1)).length > 0;
  }

  /** A snapshot of the followed side, which tells what has ended there; undefined when the stream does not run. */
  async runningAt(): Promise<string | undefined> {
    const { rows } = await this.move.databases[this.from].query<{ now: string }>(
      `SELECT pg_current_snapshot()::text AS now FROM decomposition.dual_streams
       WHERE service = $1 AND from_side = $2 AND running`,
      [this.move.service.name, this.from],
    );
    return rows[0]?.now;
  }

  private async work(syncs: ReadonlyMap<string, RowSync>, signal: AbortSignal): Promise<Pass> {
    const total: Pass = { settled: 0, left: 0 };
    const goOn = (): boolean => !signal.aborted && !this.move.signal.aborted;
    const begin = await this.runningAt();
    if (begin === undefined) return total;
    const { floor } = this;
    this.floor = BEGINNING;
    for (const queue of [this.own, this.halves]) {
      const moment = await queue.now(begin);
      for (let after = queue === this.own ? floor : BEGINNING; ;) {
        if (!goOn() || (await this.runningAt()) === undefined) return total;
        const changes = await queue.page(after, moment, PAGE);
        if (changes.length === 0) break;
        const left = await this.equalise(syncs, changes, goOn, total);
        const settled = changes.filter((change) => !left.has(change));
        if (queue === this.own) await this.own.settle(settled);
        else {
          await this.own.keep(settled);
          await this.halves.drop(settled);
        }
        total.settled += settled.length;
        total.left += left.size;
        after = changes.at(-1)!;
      }
    }
    if (total.left === 0) this.floor = { xid: begin.slice(0, begin.indexOf(':')), id: '0' };
    return total;
  }

  private async equalise(
    syncs: ReadonlyMap<string, RowSync>,
    changes: readonly LoggedChange[],
    goOn: () => boolean,
    total: Pass,
  ): Promise<Set<LoggedChange>> {
    const left = new Set<LoggedChange>();
    for (const [table, mine] of Map.groupBy(changes, (change) => change.table)) {
      const sync = syncs.get(table);
      if (!sync)
        throw new SplitError('invalid_plan', `Changes of ${table} are waiting, which the plan does not move any more.`);
      const everything = mine.filter(({ key }) => key.length === 0);
      if (everything.length > 0) {
        const unequal = await sync.equaliseAll(goOn);
        if (unequal.keys.length > 0) everything.forEach((change) => left.add(change));
        total.cause = unequal.cause ?? total.cause;
      }
      const texts = new Map(mine.filter(({ key }) => key.length > 0).map(({ key }) => [JSON.stringify(key), key]));
      const unequal = await sync.equalise([...texts.values()]);
      const kept = new Set(unequal.keys.map((key) => JSON.stringify(key)));
      mine.filter(({ key }) => kept.has(JSON.stringify(key))).forEach((change) => left.add(change));
      total.cause = unequal.cause ?? total.cause;
    }
    return left;
  }

  private async syncs(followed: pg.ClientBase, receiver: pg.ClientBase): Promise<Map<string, RowSync>> {
    this.tables ??= await this.pairs();
    return new Map(this.tables.map(({ from, to }) => [fullName(from), new RowSync(followed, receiver, from, to)]));
  }

  private async pairs(): Promise<{ from: Table; to: Table }[]> {
    const [from, to] = await Promise.all([this.move.tables(this.from), this.move.tables(otherSide(this.from))]);
    return from.map((table, i) => ({ from: table, to: to[i]! }));
  }
}

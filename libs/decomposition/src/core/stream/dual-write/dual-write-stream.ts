import { setTimeout as sleep } from 'node:timers/promises';
import { SplitError } from '../../errors.js';
import { type Move } from '../../move.js';
import { otherSide, type Side } from '../../side.js';
import { type ChangeLog, type Lag, type Stream } from '../stream.js';
import { installLog, removeLog } from './change-capture.js';
import { LoggedKeys } from './change-keys.js';
import { BEGINNING, ChangeQueue } from './change-queue.js';
import { withReceiver } from './receiver.js';
import { Reconciler, type Pass } from './reconciler.js';

const POLL_MS = 100;
const IMPATIENT_POLL_MS = 20;
/** After an error, such as a server that is being started again. */
const BACKOFF_MS = 1000;
const STOP_TIMEOUT_MS = 30_000;

/**
 * Keeps two sides in step without logical replication: triggers log the keys of changed rows in the transactions that change them, and
 * a reconciler makes those rows equal. Participants that write both sides (`DualClient`) leave it little to do; what they miss
 * (a half that fails) and who does not take part is in the log all the same. Nothing is applied before `start`, which has to come after
 * the rows are copied: a copy's older reading must not come after what the reconciler wrote.
 *
 * Partitions that are dropped or detached on the followed side are no changes of rows, and stay on the other. A partition made since
 * `capture` logs its rows' changes, but its own TRUNCATE only after `capture` is repeated.
 */
export class DualWriteStream implements Stream {
  readonly changes: ChangeLog;
  private readonly reconciler: Reconciler;
  private readonly own: ChangeQueue;
  private readonly halves: ChangeQueue;
  private readonly to: Side;

  constructor(
    private readonly move: Move,
    readonly from: Side,
  ) {
    this.to = otherSide(from);
    this.reconciler = new Reconciler(move, from);
    this.own = new ChangeQueue(move.databases[from], move.service.name, from);
    this.halves = new ChangeQueue(move.databases[this.to], move.service.name, from);
    this.changes = new LoggedKeys(move.databases[from], move.service.name, from);
  }

  async capture(): Promise<void> {
    const { databases, service, signal } = this.move;
    for (const side of [this.to, this.from])
      await installLog(
        databases[side],
        await this.move.tables(side),
        { service: service.name, from: this.from, halves: side === this.to },
        signal,
      );
  }

  /** Also tells participants to write both sides, when the source is followed. @throws SplitError `refused` without `capture` */
  async start(): Promise<void> {
    if (!(await this.setRunning(true)))
      throw new SplitError(
        'refused',
        `No changes of the ${this.from} of ${this.move.service.name} are logged.`,
        'Run `copy` first.',
      );
    const { phase } = await this.move.state.read();
    if (this.from === 'source' && (phase === 'copying' || phase === 'in_step')) await this.setDual(true);
  }

  async skipToNow(): Promise<void> {
    await this.own.settleAll();
    await this.halves.dropAll();
  }

  async lag(): Promise<Lag> {
    return this.whileRunning<Lag>({ seconds: null, pending: 0, pendingUnit: 'changes' }, async (now) => {
      const [own, halves] = await Promise.all([this.own.pending(now), this.halves.pending(now)]);
      return {
        seconds: Math.max(own.seconds, halves.seconds),
        pending: own.count + halves.count,
        pendingUnit: 'changes',
      };
    });
  }

  /**
   * Reconciles, or waits for the one who does. What is logged after the call is not waited for, nor are halves whose other half had not
   * ended by then.
   *
   * @throws SplitError `timeout`; its cause is what kept a row out. `refused` when the stream does not run. `interrupted`
   */
  async catchUp(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const followed = await this.runningAt();
    if (followed === undefined)
      throw new SplitError('refused', `Nothing follows the ${this.from} of ${this.move.service.name}.`, 'Run `copy`.');
    const logs = [
      { queue: this.own, until: { own: followed, followed } },
      { queue: this.halves, until: await this.halves.now(followed) },
    ];
    const behind = async (): Promise<boolean> => {
      for (const { queue, until } of logs) if ((await queue.page(BEGINNING, until, 1)).length > 0) return true;
      return false;
    };
    // It takes whole milliseconds only.
    const late = AbortSignal.timeout(Math.ceil(timeoutMs));
    let last: Pass | undefined;
    while (await behind()) {
      if (signal.aborted || this.move.signal.aborted)
        throw new SplitError('interrupted', 'Told to stop before the other side had caught up.', 'Run it again.');
      if (late.aborted) throw this.behind(timeoutMs, await this.lag(), last);
      const pass = await this.reconcileOnce(AbortSignal.any([signal, late]));
      last = pass ?? last;
      if (!pass?.settled) await sleep(IMPATIENT_POLL_MS);
    }
  }

  underWay(table: string): Promise<string[][]> {
    return this.whileRunning([], (now) => this.halves.undecided(table, now));
  }

  /** One pass, unless another process is at it. */
  reconcileOnce(signal: AbortSignal): Promise<Pass | undefined> {
    return withReceiver(this.move.databases[this.to], this.move.service.name, (client) =>
      this.reconciler.pass(client, signal),
    );
  }

  /** Keeps reconciling while the stream runs, until it is told to stop. Errors are noted, and it goes on. */
  async run(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.move.signal]);
    let noted: string | undefined;
    const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal: both }).catch(() => undefined);
    const note = (cause: unknown): void => {
      const text = cause instanceof Error ? cause.message : undefined;
      if (text !== undefined && text !== noted)
        this.move.progress.note(`The ${this.to} of ${this.move.service.name} waits: ${text}`);
      noted = text;
    };
    while (!both.aborted)
      try {
        const pass = (await this.unlessMissing(false, () => this.reconciler.hasWork()))
          ? await this.reconcileOnce(both)
          : undefined;
        if (!both.aborted) note(pass?.cause);
        if (!pass?.settled) await pause(POLL_MS);
      } catch (error) {
        if (both.aborted) return;
        note(error);
        await pause(BACKOFF_MS);
      }
  }

  async stop(): Promise<void> {
    if (this.from === 'source') await this.setDual(false);
    if (!(await this.setRunning(false))) return;
    // A pass that had begun asks before each page: once its lock is free, none is under way.
    const waited = await withReceiver(
      this.move.databases[this.to],
      this.move.service.name,
      async () => true,
      STOP_TIMEOUT_MS,
    );
    if (!waited)
      throw new SplitError(
        'timeout',
        `Another run has been reconciling ${this.move.service.name} for ${STOP_TIMEOUT_MS} ms.`,
        'Look for sessions of gravitas-split in pg_stat_activity, and run the verb again.',
      );
  }

  async end(only?: Side): Promise<void> {
    if (only === undefined) await this.stop();
    const log = { service: this.move.service.name, from: this.from };
    for (const side of only ? [only] : [this.from, this.to])
      await removeLog(this.move.databases[side], log, this.move.signal);
  }

  private async setDual(dual: boolean): Promise<void> {
    const state = await this.move.state.find();
    if (state && state.dual !== dual) await this.move.state.change({ dual });
  }

  /** @returns whether there is such a stream */
  private async setRunning(running: boolean): Promise<boolean> {
    return this.unlessMissing(false, async () => {
      const { rowCount } = await this.move.databases[this.from].query(
        'UPDATE decomposition.dual_streams SET running = $3 WHERE service = $1 AND from_side = $2',
        [this.move.service.name, this.from, running],
      );
      return rowCount === 1;
    });
  }

  private runningAt(): Promise<string | undefined> {
    return this.unlessMissing(undefined, () => this.reconciler.runningAt());
  }

  /** @param read is given a snapshot of the followed side */
  private whileRunning<T>(otherwise: T, read: (now: string) => Promise<T>): Promise<T> {
    return this.unlessMissing(otherwise, async () => {
      const now = await this.reconciler.runningAt();
      return now === undefined ? otherwise : read(now);
    });
  }

  private async unlessMissing<T>(otherwise: T, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      // No such table, no such schema: nothing was captured, or all has ended.
      if (['42P01', '3F000'].includes((error as { code?: string }).code ?? '')) return otherwise;
      throw error;
    }
  }

  private behind(timeoutMs: number, { pending }: Lag, last: Pass | undefined): SplitError {
    const why = last?.cause instanceof Error ? ` The last thing in the way: ${last.cause.message}.` : '';
    return new SplitError(
      'timeout',
      `The ${this.to} of ${this.move.service.name} did not catch up within ${timeoutMs} ms: ${pending} changes are waiting.${why}`,
      'Look for long transactions on both sides in pg_stat_activity, and run it again.',
      { cause: last?.cause },
    );
  }
}

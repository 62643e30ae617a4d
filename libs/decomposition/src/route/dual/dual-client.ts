import type pg from 'pg';
import { calling, callOf, isSubmittable, settle, type Call } from './call.js';
import { type HalfBreaker } from './half-breaker.js';
import { NewHalf } from './new-half.js';
import { OldSide, type TransactionStatus } from './old-side.js';
import { statementOf } from './statement.js';

export interface DualClientOptions {
  /** The side that takes writes, and answers. */
  old: pg.PoolClient;
  /** A connection to the other side; asked for by the first write. */
  fresh: () => Promise<pg.PoolClient>;
  /** The old half was committed, and the new one was not; or the new one was, and of the old one that is not known. */
  onFailedHalf?: (error: Error) => void;
  /** For each step on the new side, a connection too. Milliseconds; default 2000. */
  halfTimeoutMs?: number;
  /** The same for all clients of a pool. Default: none. */
  breaker?: HalfBreaker;
}

type Result = pg.QueryResult;

/**
 * A participant's connection while its move is `dual`: what a transaction writes goes to the new side first and then to the old one,
 * statement by statement; both are committed, the new one first. A write outside of a transaction gets one. Results are those of the old
 * side. Reads, COPY, TRUNCATE, DDL and whatever is not known go to the old side only, and a checkout that only reads never connects to
 * the new one. The old side's transaction is told to the new one (`decomposition.half_of`), so that the reconciler leaves halves that
 * are under way alone.
 *
 * A failed half is recorded where it happened, in the transaction that did happen: the old side's triggers have logged the keys of all
 * that was written there, those of the new side the keys of all halves. `DualWriteStream` makes those rows equal.
 *
 * | what fails                                     | the caller sees  | new side               | old side    | who repairs |
 * | ---------------------------------------------- | ---------------- | ---------------------- | ----------- | ----------- |
 * | no connection to the new side, or it times out | nothing          | nothing written        | committed   | old log     |
 * | a statement on the new side, any reason        | nothing          | rolled back            | committed   | old log     |
 * | the new side's connection breaks in between    | nothing          | rolled back            | committed   | old log     |
 * | the new side's COMMIT, outcome unknown         | nothing          | committed, or not      | committed   | old log     |
 * | a statement on the old side                    | the error        | rolled back, or to the savepoint | rolled back, likewise | nothing to repair |
 * | the old side's COMMIT                          | the error        | committed              | rolled back | new log     |
 * | the old side's connection at COMMIT            | the error        | committed              | either      | both logs   |
 * | this process, before the new side's COMMIT     |                  | rolled back            | rolled back | nothing to repair |
 * | this process, between the COMMITs              |                  | committed              | rolled back | new log     |
 * | a writer that does not take part, COPY         | nothing          | nothing written        | committed   | old log     |
 * | halves that differ: `now()`, sequences, rows that the new side has not | nothing | committed | committed | old log |
 *
 * Calls may be made without waiting for those before; they are done one after the other, as pg does.
 */
export class DualClient extends OldSide {
  /** In all forms that pg knows. */
  readonly query: pg.ClientBase['query'];
  private readonly half: NewHalf;
  private tail: Promise<unknown> = Promise.resolve();
  private queued = 0;
  /** What was last heard of the old side does not tell how its transaction is. */
  private uncertain = false;
  private readonly onError = (): void => {
    this.uncertain = true;
  };

  constructor(private readonly options: DualClientOptions) {
    super(options.old);
    this.old.on('error', this.onError);
    this.half = new NewHalf({
      fresh: options.fresh,
      timeoutMs: options.halfTimeoutMs ?? 2000,
      breaker: options.breaker,
    });
    this.query = ((...args: unknown[]) => this.take(args)) as pg.ClientBase['query'];
  }

  /** Of both sides, once what was asked for is done. @param error as with pg: the old side's connection is not used again */
  release(error?: Error | boolean): void {
    if (this.queued === 0) this.half.release();
    else this.enqueue(async () => this.half.release()).catch(() => undefined);
    this.old.off('error', this.onError);
    this.old.release(error);
  }

  private take(args: unknown[]): unknown {
    const [first] = args;
    if (isSubmittable(first)) {
      this.submit(first);
      return first;
    }
    const call = callOf(args);
    const outcome = this.enqueue(() => this.perform(call));
    if (!call.callback) return outcome;
    settle(outcome, call.callback);
    return undefined;
  }

  private submit(given: pg.Submittable): void {
    const hand = (): void => {
      this.uncertain = true;
      this.old.query(given);
    };
    if (this.queued === 0) hand();
    else this.enqueue(async () => hand()).catch(() => undefined);
  }

  private enqueue<T>(work: () => Promise<T>): Promise<T> {
    this.queued++;
    const done = this.tail.then(work).finally(() => this.queued--);
    this.tail = done.catch(() => undefined);
    return done;
  }

  private async perform(call: Call): Promise<Result> {
    const { kind, readOnly } = statementOf(call.config.text ?? '');
    if (kind === 'plain') return this.ask(call);
    const status = await this.status();
    if (status === 'I') await this.half.rollback();
    switch (kind) {
      case 'begin': {
        const result = await this.ask(call);
        if (status === 'I') this.half.begun(call, readOnly);
        return result;
      }
      case 'commit':
        return status === 'I' ? this.ask(call) : this.commit(call);
      case 'rollback':
        await this.half.rollback();
        this.half.reset();
        return this.ask(call);
      case 'mixed': {
        await this.half.leaveOut();
        return this.ask(call).finally(async () => {
          if ((await this.status()) === 'I') this.half.reset();
        });
      }
      case 'setting':
      case 'savepoint': {
        const result = await this.ask(call);
        if (status === 'I') this.half.rememberForSession(call);
        else await this.half.remember(call);
        return result;
      }
      case 'lock':
        return status === 'I' ? this.ask(call) : this.both(call, status);
      case 'write':
        return status === 'I' ? this.alone(call) : this.both(call, status);
    }
  }

  private async both(call: Call, status: TransactionStatus): Promise<Result> {
    if (status !== 'T') return this.ask(call);
    if (this.half.isWanted) await this.half.open(await this.xid());
    await this.half.run(call);
    return this.ask(call);
  }

  /** A write outside of a transaction. */
  private async alone(call: Call): Promise<Result> {
    const xid = await this.xid('BEGIN;');
    this.half.begun(calling('BEGIN'), false);
    let result: Result;
    try {
      await this.half.open(xid);
      await this.half.run(call);
      result = await this.ask(call);
    } catch (error) {
      await this.half.rollback();
      await this.ask(calling('ROLLBACK')).catch(() => undefined);
      throw error;
    }
    await this.commit(calling('COMMIT'));
    return result;
  }

  private async commit(call: Call): Promise<Result> {
    // A COMMIT after an error is a ROLLBACK, and says so only in its result.
    if ((await this.status()) !== 'T') await this.half.rollback();
    const isThere = this.half.isOpen && (await this.half.commit());
    const { failure } = this.half;
    this.half.reset();
    const result = await this.ask(call).catch((error: Error) => {
      if (isThere) this.options.onFailedHalf?.(error);
      throw error;
    });
    if (result.command !== 'ROLLBACK' && failure) this.options.onFailedHalf?.(failure);
    return result;
  }

  private async ask(call: Call): Promise<Result> {
    try {
      return await this.old.query(call.config);
    } catch (error) {
      // It is told before the side is ready again.
      this.uncertain = true;
      throw error;
    }
  }

  /** Null when the connection is broken. */
  private async status(): Promise<TransactionStatus> {
    if (this.uncertain)
      try {
        await this.old.query('');
        this.uncertain = false;
      } catch {
        return null;
      }
    return this.old.getTransactionStatus();
  }

  /** Of the old side's transaction. @param begin said before, in the same go */
  private async xid(begin = ''): Promise<string> {
    const answers = [await this.ask(calling(`${begin}SELECT pg_current_xact_id()::text AS xid`))].flat();
    return (answers.at(-1)!.rows[0] as { xid: string }).xid;
  }
}

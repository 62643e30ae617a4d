import { hostname } from 'node:os';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { ChangeFeed, PooledClient } from '#database';
import { type Side } from '../core/side.js';
import { type MoveState } from '../core/state/move-state.js';
import { readMove } from '../core/state/move-store.js';
import { MOVES_CHANNEL } from '../core/state/schema.js';
import { type StatsReport } from './participant-stats.js';
import { writingSide } from './read-side.js';

export interface FollowerLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface FollowerOptions {
  service: string;
  /** The target database, as the role that the service runs as. */
  targetUrl: string;
  log: FollowerLog;
  /** Told of each state that differs from the one before. */
  onState: (state: MoveState | undefined) => void;
  /** What this instance has to say of itself at this moment. */
  report: () => { paused: boolean; stats: StatsReport };
}

const EVERY_MS = 1000;
const TIMEOUT_MS = 2000;

/**
 * Keeps up with the service's row in decomposition.moves: by NOTIFY, and by asking every second. Reports this instance in
 * decomposition.instances as often.
 *
 * As long as nothing could ever be read there is no move: the target's database, its schema or the row may not be there yet. Later,
 * what was read last counts; the fences in the databases guard against what it misses.
 */
export class MoveFollower {
  /** `host:pid:random` */
  readonly instance = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
  private readonly pool: pg.Pool;
  private readonly startedAt = new Date();
  private feed: ChangeFeed | undefined;
  private reporting: Promise<void> = Promise.resolve();
  private current: MoveState | undefined;
  private readonly problems = new Map<'read' | 'report', Error>();
  private closed = false;

  private constructor(private readonly options: FollowerOptions) {
    this.pool = new pg.Pool({
      connectionString: options.targetUrl,
      application_name: `gravitas-${options.service}-move`,
      max: 2,
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
      keepAlive: true,
      Client: PooledClient,
    });
    this.pool.on('error', () => undefined);
  }

  /** Resolves when it has tried to read once, whatever came of it. */
  static async open(options: FollowerOptions): Promise<MoveFollower> {
    const follower = new MoveFollower(options);
    follower.feed = await ChangeFeed.open({
      url: options.targetUrl,
      applicationName: `gravitas-${options.service}-move`,
      channel: MOVES_CHANNEL,
      refresh: () => follower.read(),
      everyMs: EVERY_MS,
    });
    return follower;
  }

  /** As it was read last; undefined while there is no move. */
  get state(): MoveState | undefined {
    return this.current;
  }

  /** Why the state cannot be read just now; undefined while it can. */
  get trouble(): Error | undefined {
    return this.problems.get('read');
  }

  get writingSide(): Side {
    return writingSide(this.current);
  }

  /** Reads now. Never rejects. */
  async refresh(): Promise<void> {
    await this.feed?.refresh();
  }

  /** Says now how this instance stands, after what is being said already. Never rejects. */
  tell(): Promise<void> {
    this.reporting = this.reporting
      .then(() => this.send())
      .then(
        () => this.note('report', undefined),
        (error: Error) => this.note('report', error),
      );
    return this.reporting;
  }

  /** Takes this instance off the list, if that can be done. Twice is the same as once. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.feed?.close();
    await this.reporting;
    if (this.current)
      await this.pool
        .query('DELETE FROM decomposition.instances WHERE instance = $1', [this.instance])
        .catch(() => undefined);
    await this.pool.end();
  }

  private async read(): Promise<void> {
    try {
      const state = await readMove(this.pool, this.options.service);
      this.note('read', undefined);
      this.take(state);
    } catch (error) {
      this.note('read', error as Error);
    }
    await this.tell();
  }

  private take(state: MoveState | undefined): void {
    // Whoever takes the row away after the switch has not thereby taken the writes back.
    if (!state && this.writingSide === 'target') return;
    const { current } = this;
    const changed =
      state?.epoch !== current?.epoch ||
      state?.dual !== current?.dual ||
      state?.changedAt.getTime() !== current?.changedAt.getTime();
    this.current = state;
    if (!changed) return;
    const { phase, writes, epoch, readPercent } = state ?? {};
    this.options.log.info({ phase, writes, epoch, read_percent: readPercent }, 'the move of the database has changed');
    this.options.onState(state);
  }

  private async send(): Promise<void> {
    if (!this.current) return;
    const { paused, stats } = this.options.report();
    await this.pool.query(
      `INSERT INTO decomposition.instances AS i (instance, service, started_at, seen_at, epoch, paused, stats)
       VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6)
       ON CONFLICT (instance) DO UPDATE
       SET seen_at = excluded.seen_at, epoch = excluded.epoch, paused = excluded.paused, stats = excluded.stats`,
      [this.instance, this.options.service, this.startedAt, this.current.epoch, paused, JSON.stringify(stats)],
    );
  }

  /** Logs what begins and what ends, not what goes on. */
  private note(what: 'read' | 'report', problem: Error | undefined): void {
    const before = this.problems.has(what);
    if (problem) this.problems.set(what, problem);
    else this.problems.delete(what);
    if (this.closed || before === (problem !== undefined)) return;
    const { log } = this.options;
    const counts = this.current ? 'what was read last counts' : 'all goes to the shared database';
    if (what === 'report') {
      if (problem) log.warn({ err: problem }, 'this instance cannot report to the move: a switch will not wait for it');
      else log.info({}, 'this instance reports to the move again');
    } else if (problem) log.warn({ err: problem }, `the state of the move cannot be read: ${counts}`);
    else log.info({}, 'the state of the move can be read again');
  }
}

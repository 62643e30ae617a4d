import type pg from 'pg';
import { routeConnections } from '#database';
import { type Side } from '../core/side.js';
import { type MoveState } from '../core/state/move-state.js';
import { MoveFollower, type FollowerLog } from './move-follower.js';
import { ParticipantStats, type StatsReport } from './participant-stats.js';
import { writingSide } from './read-side.js';
import { RecentWriters } from './recent-writers.js';
import { RoutedPool, type DualClientFactory, type Routing } from './routed-pool.js';
import { RoutedSessions } from './routed-sessions.js';
import { ShadowComparer } from './shadow/shadow-comparer.js';
import { WriteGate } from './write-gate.js';

/** A URL that the service connects to, and the one in the database that it moves to, as the role that takes its place. */
export interface MovedConnection {
  source: string;
  target: string;
}

export interface ParticipationOptions {
  /** As in the plan. */
  service: string;
  /** The target database as the service's runtime role: for the state, and for reports. Must reach PostgreSQL itself, not a pooler. */
  targetUrl: string;
  /** Connections to these go where the move says. */
  connections: readonly MovedConnection[];
  log: FollowerLog;
  /** How long a write waits while writes are paused, before it is refused. Milliseconds, default 10,000. */
  pauseLimitMs?: number;
  /** How long a key's reads come from where it wrote. Milliseconds, default 5,000. */
  ownWritesMs?: number;
  /** Without one, writes in a dual phase go to the source only, and the stream brings them over. */
  dualClient?: DualClientFactory | undefined;
  shadow?: { delays?: readonly number[]; random?: () => number };
}

export const PAUSE_LIMIT_MS = 10_000;
const OWN_WRITES_MS = 5000;

/**
 * One instance's part in a move: from `start` on its pools and sessions lead where the state of the move says.
 *
 * On a pause new writers wait, sessions are ended, and once the last writer has left the instance reports `paused` for that epoch. With
 * the next state they go on, to whichever side takes writes then.
 */
export class Participation {
  readonly stats = new ParticipantStats();
  readonly writers: RecentWriters;
  private readonly gate: WriteGate;
  private readonly sessions: RoutedSessions;
  private readonly shadow: ShadowComparer;
  private readonly pools = new Set<RoutedPool>();
  private readonly unroute: (() => void)[] = [];
  private follower: MoveFollower | undefined;
  private state: MoveState | undefined;
  private pausedSince: number | undefined;

  private constructor(private readonly options: ParticipationOptions) {
    const { stats } = this;
    const onFenced = (): void => this.onFenced();
    this.writers = new RecentWriters(options.ownWritesMs ?? OWN_WRITES_MS);
    this.gate = new WriteGate(this.pauseLimitMs, stats, () => this.tell());
    this.sessions = new RoutedSessions({ gate: this.gate, writingSide: () => this.writingSide, onFenced });
    this.shadow = new ShadowComparer({ stats, log: options.log, ...options.shadow });
  }

  /**
   * Resolves when the state has been read, or could not be: then all goes to the source until it can.
   *
   * @throws Error when one of the connections has a route already
   */
  static async start(options: ParticipationOptions): Promise<Participation> {
    const participation = new Participation(options);
    try {
      await participation.follow();
      return participation;
    } catch (error) {
      await participation.close();
      throw error;
    }
  }

  /** The last state; undefined while there is no move. */
  get move(): MoveState | undefined {
    return this.state;
  }

  get writingSide(): Side {
    return writingSide(this.state);
  }

  get pauseLimitMs(): number {
    return this.options.pauseLimitMs ?? PAUSE_LIMIT_MS;
  }

  /** How long writes have been paused. Milliseconds; 0 while they are not. */
  get pausedMs(): number {
    return this.pausedSince === undefined ? 0 : performance.now() - this.pausedSince;
  }

  /** Why the state of the move cannot be read just now. */
  get trouble(): Error | undefined {
    return this.follower?.trouble;
  }

  /** As in decomposition.instances. */
  get instance(): string {
    return this.follower?.instance ?? '';
  }

  /** Reads the state now. Never rejects. */
  async refresh(): Promise<void> {
    await this.follower?.refresh();
  }

  report(): StatsReport {
    let [used, size] = [0, 0];
    for (const pool of this.pools) {
      used += pool.used;
      size += pool.options.max;
    }
    return this.stats.report({ used, size }, this.gate.queue);
  }

  /** A pool for one of the connections, for those who do not ask #database for it. */
  createPool(config: pg.PoolConfig, urls: Readonly<Record<Side, string>>, use: 'any' | 'writes' = 'any'): RoutedPool {
    const pool = new RoutedPool(config, this.routing(), urls, use, () => this.pools.delete(pool));
    this.pools.add(pool);
    return pool;
  }

  openSession(config: pg.ClientConfig, urls: Readonly<Record<Side, string>>, signal?: AbortSignal): Promise<pg.Client> {
    return this.sessions.open(config, urls, signal);
  }

  /** To be called when the pools have been ended: until then their writes have to know the move. Twice is the same as once. */
  async close(): Promise<void> {
    for (const undo of this.unroute.splice(0)) undo();
    this.gate.refuseAll();
    this.sessions.endAll();
    await this.shadow.close();
    await this.follower?.close();
  }

  private async follow(): Promise<void> {
    const { service, targetUrl, log, connections } = this.options;
    this.follower = await MoveFollower.open({
      service,
      targetUrl,
      log,
      onState: (state) => this.onState(state),
      report: () => ({ paused: this.gate.isDrained, stats: this.report() }),
    });
    for (const urls of connections)
      this.unroute.push(
        routeConnections(urls.source, {
          createPool: (config, use) => this.createPool(config, urls, use),
          openSession: (config, signal) => this.openSession(config, urls, signal),
        }),
      );
  }

  private onState(state: MoveState | undefined): void {
    const before = this.writingSide;
    this.state = state;
    if (state?.writes === 'paused') {
      this.pausedSince ??= performance.now();
      this.gate.close();
      this.sessions.endAll();
    } else {
      this.pausedSince = undefined;
      // Where a pause was missed.
      if (this.writingSide !== before) this.sessions.endAll();
      this.gate.open();
    }
  }

  private onFenced(): void {
    this.stats.fenced++;
    this.follower?.refresh().catch(() => undefined);
  }

  private tell(): void {
    this.follower?.tell().catch(() => undefined);
  }

  private routing(): Routing {
    return {
      state: () => this.state,
      isFresh: () => this.trouble === undefined,
      gate: this.gate,
      writers: this.writers,
      stats: this.stats,
      shadow: this.shadow,
      dualClient: this.options.dualClient,
      onFenced: () => this.onFenced(),
    };
  }
}

import pg from 'pg';
import { type PoolUse } from '#database';
import { otherSide, type Side } from '../core/side.js';
import { type MoveState } from '../core/state/move-state.js';
import { currentIntent, type Intent } from './intent.js';
import { type ParticipantStats } from './participant-stats.js';
import { readingSide, writingSide } from './read-side.js';
import { type RecentWriters } from './recent-writers.js';
import { Recording } from './shadow/recording.js';
import { type ShadowComparer } from './shadow/shadow-comparer.js';
import { SidePools } from './side-pools.js';
import { type WriteGate } from './write-gate.js';

type ConnectCallback = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  release: (broken?: Error | boolean) => void,
) => void;

/** What a dual write is made of. Whoever gives `old` away gives back both. */
export interface DualHalves {
  old: pg.PoolClient;
  /** Lends a connection to the target, when first needed. */
  fresh: () => Promise<pg.PoolClient>;
  /** Told of a half that was not written, and that the stream has to repair. */
  onFailedHalf: (error: unknown) => void;
}

/** Makes of two connections one that writes to both; its `release` gives both back. */
export type DualClientFactory = (halves: DualHalves) => pg.PoolClient;

/** What all routed pools of a participant go by. */
export interface Routing {
  /** Undefined while there is no move. */
  state: () => MoveState | undefined;
  /** Whether `state` was read just now, and not only once upon a time. */
  isFresh: () => boolean;
  gate: WriteGate;
  writers: RecentWriters;
  stats: ParticipantStats;
  shadow: ShadowComparer;
  dualClient: DualClientFactory | undefined;
  onFenced: () => void;
}

/**
 * A pool whose connections lead to the source or to the target, decided each time one is lent: by what it is wanted for (`withIntent`), and
 * by the state of the move. To its users it is pg's own.
 *
 * - A connection for writing waits at the gate while writes are paused, leads to the side that takes them, and counts as a write
 *   under way until it is given back.
 * - A connection for reading never waits. Where it leads to the other side, the session is read-only: a write that was said to be a read
 *   fails there (25006). On the writing side it would pass, and during a switch the fence refuses it (GV001).
 * - Where the other side cannot be reached, or the state cannot be read, reads come from the writing side.
 */
export class RoutedPool extends pg.Pool {
  private readonly pools: SidePools;

  constructor(
    config: pg.PoolConfig,
    private readonly routing: Routing,
    urls: Readonly<Record<Side, string>>,
    private readonly use: PoolUse = 'any',
    private readonly onEnd: () => void = () => undefined,
  ) {
    super(config);
    this.pools = new SidePools(config, urls, (error, client) => this.emit('error', error, client), routing.onFenced);
  }

  /** Connections that are lent at this moment, out of `options.max`: to the side that has the fewest left. */
  get used(): number {
    return this.pools.mostLent();
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | void {
    const lent = this.lend();
    if (!callback) return lent;
    lent.then(
      (client) => callback(undefined, client, (broken) => client.release(broken)),
      (error: Error) => callback(error, undefined, () => undefined),
    );
  }

  override end(): Promise<void>;
  override end(callback: () => void): void;
  override end(callback?: (error?: Error) => void): Promise<void> | void {
    const ended = this.endAll();
    if (!callback) return ended;
    ended.then(() => callback(), callback);
  }

  private async endAll(): Promise<void> {
    await super.end();
    await this.pools.end();
    this.onEnd();
  }

  private async lend(): Promise<pg.PoolClient> {
    this.refuseWhenEnding();
    const intent = currentIntent();
    if (intent?.kind === 'read' && this.use === 'any') return this.lendForReading(intent);
    return this.lendForWriting(intent?.key);
  }

  private async lendForWriting(key: string | undefined): Promise<pg.PoolClient> {
    const { gate, writers } = this.routing;
    const leave = await gate.enter();
    try {
      this.refuseWhenEnding();
      const client = await this.writer();
      return whenReleased(client, () => {
        if (key !== undefined) writers.note(key);
        leave();
      });
    } catch (error) {
      leave();
      throw error;
    }
  }

  private async writer(): Promise<pg.PoolClient> {
    const { state, dualClient, stats } = this.routing;
    const now = state();
    const side = writingSide(now);
    const client = await this.pools.of(side, 'all').connect();
    if (!now?.dual || side === 'target' || !dualClient) return client;
    return dualClient({
      old: client,
      fresh: () => this.pools.of('target', 'all').connect(),
      onFailedHalf: () => stats.failedHalves++,
    });
  }

  private async lendForReading(intent: Intent): Promise<pg.PoolClient> {
    const { state, isFresh, writers, stats } = this.routing;
    const now = state();
    const writes = writingSide(now);
    const wanted = isFresh() ? readingSide(now, intent, writers) : writes;
    const [client, side] = await this.reader(wanted, writes);
    stats.reads[side]++;
    return this.compared(client, side, intent);
  }

  private async reader(wanted: Side, writes: Side): Promise<[pg.PoolClient, Side]> {
    if (wanted !== writes) {
      const client = await this.pools
        .of(wanted, 'reads')
        .connect()
        .catch(() => undefined);
      if (client) return [client, wanted];
    }
    return [await this.pools.of(writes, 'all').connect(), writes];
  }

  /** What a sample of reads is answered is afterwards asked of the other side, too. */
  private compared(client: pg.PoolClient, side: Side, { spread, key }: Intent): pg.PoolClient {
    const { shadow, state } = this.routing;
    if ((spread ?? key) === undefined || !shadow.wants(state())) return client;
    const recording = Recording.of(client);
    return whenReleased(client, () => {
      const statements = recording.end();
      if (!statements || this.ending) return;
      shadow.compare(statements, this.pools.of(side, 'compare'), this.pools.of(otherSide(side), 'compare'));
    });
  }

  private refuseWhenEnding(): void {
    if (this.ending) throw new Error('Cannot use a pool after calling end on the pool');
  }
}

/** pg gives a client a `release` of its own each time that it is lent. */
function whenReleased(client: pg.PoolClient, then: () => void): pg.PoolClient {
  const release = client.release.bind(client);
  client.release = (broken?: Error | boolean): void => {
    then();
    release(broken);
  };
  return client;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { type MoveState } from '../state/move-state.js';
import { inTime } from '../in-time.js';
import { readSamples } from './read-samples.js';
import { StreamInUse, type WatchedStream } from './stream-in-use.js';
import { Watch, type Decision } from './watch.js';
import { plainJson, type Trouble, type WatchEvent, type WatchNews } from './watch-event.js';
import { type WatchMetrics } from './watch-metrics.js';

export interface WatchOptions {
  openStream: (move: Move, from: Side) => WatchedStream | Promise<WatchedStream>;
  /** Takes back what the target serves. What it throws is told, and the next two windows decide again. */
  reverse: (move: Move, because: readonly Decision[]) => Promise<unknown>;
  /** Makes on the side that follows what the other has got since, now and then. @returns labels of it */
  follow?: (move: Move) => Promise<readonly string[]>;
  /** Ends it; the move's own does, too. */
  signal?: AbortSignal;
  onEvent?: (event: WatchEvent) => void;
  metrics?: WatchMetrics;
}

/** Looks a window. */
const LOOKS = 8;
const MAX_TICK_MS = 1000;
/** Rows of a partition that the other side lacks hold the stream up; as a rule partitions are there long before. */
const FOLLOW_EVERY_MS = 15_000;
/** For one question to a database. */
const TIMEOUT_MS = 2000;

/**
 * Looks at a move until it is told to stop, and reverses it when a trigger of the plan fires. Runs what the strategy needs to keep the
 * sides in step. Outlives any server's outage; what it sees and does it tells by `onEvent`, and writes what fired into the journal.
 */
export async function watch(move: Move, options: WatchOptions): Promise<void> {
  await new WatchRun(move, options).run();
}

class WatchRun {
  private readonly watch: Watch;
  private readonly stream: StreamInUse;
  private readonly signal: AbortSignal;
  private readonly troubles = new Set<Trouble>();
  private sawAt = 0;
  private toldAt = -Infinity;
  private began = false;
  /** Attempts to reverse in a row that came to nothing. */
  private failures = 0;
  private retryAt = Infinity;
  private followAt = 0;
  private following: Promise<void> | undefined;

  constructor(
    private readonly move: Move,
    private readonly options: WatchOptions,
  ) {
    this.watch = new Watch(move.plan.watch);
    this.signal = options.signal ? AbortSignal.any([options.signal, move.signal]) : move.signal;
    const { openStream } = options;
    this.stream = new StreamInUse(move, { openStream, report: this.report, timeoutMs: TIMEOUT_MS });
  }

  async run(): Promise<void> {
    const tickMs = Math.min(this.move.plan.watch.window_ms / LOOKS, MAX_TICK_MS);
    try {
      for (let next = performance.now(); !this.signal.aborted;) {
        await this.look();
        // What took too long is not caught up with.
        next = Math.max(next + tickMs, performance.now());
        await sleep(next - performance.now(), undefined, { signal: this.signal }).catch(() => undefined);
      }
    } finally {
      await this.stream.close();
      await this.following;
    }
  }

  private async look(): Promise<void> {
    const now = performance.now();
    const seen = await this.see();
    if (!seen) {
      // A short outage may well be part of what is looked for; after a longer one there are no two windows in a row.
      if (now - this.sawAt > this.move.plan.watch.window_ms) this.watch.observe(NOTHING, now);
      return;
    }
    this.sawAt = now;
    const { state, instances } = seen;
    if (!this.began) this.tell({ event: 'began', phase: state?.phase ?? null, action: this.move.plan.watch.action });
    this.began = true;
    if (state && now >= this.followAt) this.following ??= this.follow();
    const lagSeconds = await this.stream.lag(now);
    if (now >= this.retryAt) this.retry();
    const decisions = this.watch.observe({ ...arrangementOf(state), instances, lagSeconds }, now);
    const readings = this.watch.readings();
    this.options.metrics?.observe(this.move.service.name, readings, new Date());
    if (state && now - this.toldAt >= this.move.plan.watch.window_ms) {
      this.toldAt = now;
      const { phase, writes } = state;
      this.tell({ event: 'window', phase, writes, instances: instances.length, readings });
    }
    if (decisions.length > 0) await this.act(decisions);
  }

  private async see() {
    try {
      const state = await inTime(this.move.state.find(), TIMEOUT_MS, 'the target');
      const instances = state ? await inTime(readSamples(this.move), TIMEOUT_MS, 'the target') : [];
      await this.stream.follow(state?.phase);
      this.report('target', undefined);
      return { state, instances };
    } catch (error) {
      this.report('target', error);
      return undefined;
    }
  }

  /** Beside the looks: it may wait for readers. */
  private async follow(): Promise<void> {
    try {
      const made = (await this.options.follow?.(this.move)) ?? [];
      if (made.length > 0) this.tell({ event: 'followed', made });
      this.report('partitions', undefined);
    } catch (error) {
      if (!this.signal.aborted) this.report('partitions', error);
    } finally {
      this.followAt = performance.now() + FOLLOW_EVERY_MS;
      this.following = undefined;
    }
  }

  private async act(decisions: readonly Decision[]): Promise<void> {
    const { action } = decisions[0]!;
    const { name } = this.move.service;
    this.tell({ event: 'fired', action, decisions });
    this.options.metrics?.firedBy(name, decisions);
    await this.journal('fired', { action, decisions });
    if (action !== 'reverse') return;
    const began = performance.now();
    const took = (): number => Math.round(performance.now() - began);
    try {
      await this.options.reverse(this.move, decisions);
      this.failures = 0;
      this.tell({ event: 'reversed', ms: took() });
      this.options.metrics?.reversed(name, 'done');
      await this.journal('reversed', { ms: took() });
    } catch (error) {
      this.failures++;
      this.retryAt = performance.now() + this.patience();
      const { message } = error as Error;
      const next =
        (error instanceof SplitError && error.next) ||
        'It is tried again, less and less often, as long as the cause lasts.';
      this.tell({ event: 'reverse_failed', ms: took(), message, next });
      this.options.metrics?.reversed(name, 'failed');
      await this.journal('reverse_failed', { ms: took(), message });
    }
  }

  /** Once at once, then less and less often: each attempt may hold up writes for a while. */
  private patience(): number {
    const { window_ms: windowMs, cooldown_ms: cooldownMs } = this.move.plan.watch;
    return this.failures === 1 ? 0 : Math.min(windowMs * 2 ** this.failures, cooldownMs);
  }

  private retry(): void {
    this.retryAt = Infinity;
    this.watch.retry();
  }

  private async journal(step: string, detail: object): Promise<void> {
    try {
      await inTime(this.move.state.journal('watch', step, plainJson(detail)), TIMEOUT_MS, 'the target');
      this.report('journal', undefined);
    } catch (error) {
      this.report('journal', error);
    }
  }

  /** What begins and what ends, not what goes on. */
  private readonly report = (what: Trouble, error: unknown): void => {
    if (error === undefined) {
      if (this.troubles.delete(what)) this.tell({ event: 'recovered', what });
    } else if (!this.troubles.has(what)) {
      this.troubles.add(what);
      this.tell({ event: 'trouble', what, message: (error as Error).message });
    }
  };

  private tell(news: WatchNews): void {
    this.options.onEvent?.({ at: new Date(), service: this.move.service.name, ...news });
  }
}

const NOTHING = { arrangement: null, reversible: false, instances: [], lagSeconds: null };

function arrangementOf(state: MoveState | undefined): { arrangement: string | null; reversible: boolean } {
  if (!state || state.writes === 'paused') return { arrangement: null, reversible: false };
  const { phase, readPercent } = state;
  const reversible = phase === 'switched' || (phase === 'in_step' && readPercent > 0);
  return { arrangement: `${phase}${reversible ? ', served by the target' : ''}`, reversible };
}

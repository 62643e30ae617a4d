import { setTimeout as sleep } from 'node:timers/promises';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { type Phase } from '../state/move-state.js';
import { type Stream } from '../stream/stream.js';
import { inTime } from '../in-time.js';
import { type Trouble } from './watch-event.js';

/** Some strategies need somebody who carries the changes over: that is `run`, until the signal is aborted. */
export type WatchedStream = Pick<Stream, 'lag'> & { run?(signal: AbortSignal): Promise<void> };

export interface StreamInUseOptions {
  openStream: (move: Move, from: Side) => WatchedStream | Promise<WatchedStream>;
  /** What began to go wrong, or goes well again. */
  report: (what: Trouble, error: unknown) => void;
  timeoutMs: number;
}

const RUN_AGAIN_MS = 1000;

/** The stream of the phase that the move is in: how far behind it is, and, where it needs that, that it runs. */
export class StreamInUse {
  private from: Side | null = null;
  private stream: WatchedStream | undefined;
  private stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private movedAt = 0;

  constructor(
    private readonly move: Move,
    private readonly options: StreamInUseOptions,
  ) {}

  async follow(phase: Phase | undefined): Promise<void> {
    const from = phase === 'in_step' ? 'source' : phase === 'switched' ? 'target' : null;
    if (from === this.from) return;
    await this.close();
    if (from) {
      this.stream = await this.options.openStream(this.move, from);
      this.movedAt = performance.now();
      this.stopping = new AbortController();
      this.running = this.run(this.stream, this.stopping.signal);
    }
    this.from = from;
  }

  /** @returns seconds; null when there is no stream, or it cannot be told */
  async lag(now: number): Promise<number | null> {
    const { stream } = this;
    if (!stream) return null;
    try {
      const { seconds } = await inTime(stream.lag(), this.options.timeoutMs, 'the stream');
      this.options.report('lag', undefined);
      if (seconds !== null) this.movedAt = now;
      // One that does not move at all is behind by as long as it has not.
      return seconds ?? (now - this.movedAt) / 1000;
    } catch (error) {
      this.options.report('lag', error);
      return null;
    }
  }

  async close(): Promise<void> {
    this.from = null;
    this.stream = undefined;
    this.stopping.abort();
    await this.running;
  }

  private async run(stream: WatchedStream, signal: AbortSignal): Promise<void> {
    while (stream.run && !signal.aborted) {
      try {
        await stream.run(signal);
        this.options.report('reconciler', undefined);
      } catch (error) {
        if (!signal.aborted) this.options.report('reconciler', error);
      }
      await sleep(RUN_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

import { databaseMoving } from './moving.js';
import { type ParticipantStats } from './participant-stats.js';

interface Waiter {
  enter: () => void;
  refuse: (error: Error) => void;
}

/**
 * What writers pass on their way to a connection.
 *
 *   open     who comes goes through, and is counted until it leaves
 *   closed   who comes waits, at most `limitMs`, and is then refused; who was through may finish
 *   drained  closed, and everybody has left: nothing of this instance writes
 */
export class WriteGate {
  private closed = false;
  private held = 0;
  private readonly waiting = new Set<Waiter>();

  constructor(
    private readonly limitMs: number,
    private readonly stats: ParticipantStats,
    /** Told when the last one leaves while it is closed. */
    private readonly onDrained: () => void,
  ) {}

  get isClosed(): boolean {
    return this.closed;
  }

  get isDrained(): boolean {
    return this.closed && this.held === 0;
  }

  /** Writers that wait now. */
  get queue(): number {
    return this.waiting.size;
  }

  /**
   * @returns to be called when done; twice is the same as once
   * @throws ServiceError `database_moving` after the limit, and when the gate is shut for good; the signal's reason
   */
  async enter(signal?: AbortSignal): Promise<() => void> {
    if (this.closed) await this.wait(signal);
    else this.held++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.held--;
      if (this.isDrained) this.onDrained();
    };
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.closed = false;
    for (const waiter of this.waiting) waiter.enter();
    this.waiting.clear();
  }

  /** Whoever waits is refused now. */
  refuseAll(): void {
    for (const waiter of this.waiting) waiter.refuse(databaseMoving());
  }

  private async wait(signal?: AbortSignal): Promise<void> {
    const since = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = {
      enter: () => {
        // At once: should the gate close again before the waiter runs, it is among those that have to leave.
        this.held++;
        resolve();
      },
      refuse: (error) => {
        this.waiting.delete(waiter);
        reject(error);
      },
    };
    const timeout = setTimeout(
      () => waiter.refuse(databaseMoving(new Error(`writes have been paused for ${this.limitMs} ms`))),
      this.limitMs,
    );
    const onAbort = (): void => waiter.refuse(signal?.reason as Error);
    this.waiting.add(waiter);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      await promise;
    } finally {
      clearTimeout(timeout);
      signal?.removeEventListener('abort', onAbort);
      this.stats.waited(performance.now() - since);
    }
  }
}

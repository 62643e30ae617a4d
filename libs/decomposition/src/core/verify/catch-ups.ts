import { type Stream } from '../stream/stream.js';

/**
 * Waiting for the stream, for several at once: whoever asks while one wait is under way shares the next one, which begins after they
 * asked.
 */
export class CatchUps {
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(
    private readonly stream: Pick<Stream, 'catchUp'>,
    private readonly signal: AbortSignal,
    private readonly timeoutMs = 60_000,
  ) {}

  /** Resolves when everything committed before the call is on the other side. @throws SplitError `timeout` */
  wait(): Promise<void> {
    if (!this.running) return this.begin();
    this.next ??= this.running
      .catch(() => undefined)
      .then(() => {
        this.next = undefined;
        return this.begin();
      });
    return this.next;
  }

  private begin(): Promise<void> {
    const wait = this.stream.catchUp(this.timeoutMs, this.signal).finally(() => {
      if (this.running === wait) this.running = undefined;
    });
    this.running = wait;
    return wait;
  }
}

import { ServiceError } from '#errors';

const MAX_WAITING = 16;

/** One after the other, in the order of asking. More than a few waiting are refused. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  /** @throws ServiceError unavailable (`policy_busy`), or what `work` throws */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.waiting >= MAX_WAITING)
      throw new ServiceError('unavailable', 'policy_busy', 'Many reloads are under way; try again', { retryAfter: 1 });
    this.waiting++;
    const mine = this.last.then(work).finally(() => this.waiting--);
    this.last = mine.catch(() => undefined);
    return mine;
  }

  /** Resolves when the turns that were asked for until now are over. */
  async over(): Promise<void> {
    await this.last;
  }
}

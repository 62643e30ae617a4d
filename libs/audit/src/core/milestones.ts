interface Waiter {
  at: number;
  resolve: () => void;
  reject: (reason: Error) => void;
}

/** Promises that resolve when a number that only grows has reached theirs. */
export class Milestones {
  private waiters: Waiter[] = [];
  private reached = 0;
  private givenUp: Error | undefined;

  /** Resolves when the number is at least `at`; rejects when it is given up first, or was already. */
  when(at: number): Promise<void> {
    if (at <= this.reached) return Promise.resolve();
    if (this.givenUp) return Promise.reject(this.givenUp);
    return new Promise((resolve, reject) => {
      const waiter = { at, resolve, reject };
      // Nearly always the furthest.
      let i = this.waiters.length;
      while (i > 0 && this.waiters[i - 1]!.at > at) i--;
      this.waiters.splice(i, 0, waiter);
    });
  }

  reach(at: number): void {
    this.reached = at;
    let due = 0;
    while (due < this.waiters.length && this.waiters[due]!.at <= at) due++;
    for (const waiter of this.waiters.splice(0, due)) waiter.resolve();
  }

  giveUp(reason: Error): void {
    this.givenUp = reason;
    for (const waiter of this.waiters.splice(0)) waiter.reject(reason);
  }
}

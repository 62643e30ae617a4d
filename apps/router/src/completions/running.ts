/** Requests on their way, and what goes on after they are answered. */
export class Running {
  private readonly work = new Set<Promise<void>>();

  /** @param onError told if the work fails; for work whose failure nobody else will notice */
  track(work: Promise<unknown>, onError: (error: unknown) => void = () => undefined): void {
    const tracked: Promise<void> = work
      .then(() => undefined, onError)
      .finally(() => {
        this.work.delete(tracked);
      });
    this.work.add(tracked);
  }

  /** Resolves when nothing runs any more; what runs may start more. */
  async idle(): Promise<void> {
    while (this.work.size > 0) await Promise.all(this.work);
  }
}

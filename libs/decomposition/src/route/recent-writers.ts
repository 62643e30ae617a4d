/** Above this, those whose time is over are forgotten. */
const SWEEP_ABOVE = 10_000;

/** Who wrote lately, by this instance: what it then reads must not be older than what it wrote. */
export class RecentWriters {
  private readonly wroteAt = new Map<string, number>();
  private sweepAbove = SWEEP_ABOVE;

  constructor(
    private readonly rememberMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  note(key: string): void {
    // Set anew, a key moves to the end: the oldest are in front.
    this.wroteAt.delete(key);
    this.wroteAt.set(key, this.now());
    if (this.wroteAt.size > this.sweepAbove) this.sweep();
  }

  has(key: string): boolean {
    const at = this.wroteAt.get(key);
    return at !== undefined && this.now() - at < this.rememberMs;
  }

  private sweep(): void {
    for (const [key, at] of this.wroteAt) {
      if (this.now() - at < this.rememberMs) break;
      this.wroteAt.delete(key);
    }
    this.sweepAbove = Math.max(SWEEP_ABOVE, 2 * this.wroteAt.size);
  }
}

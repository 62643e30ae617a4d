/**
 * Shared by a pool's clients: while the new side cannot be reached, one write in a while waits for it in vain, not each. The others'
 * halves fail at once, and are repaired like all failed halves.
 */
export class HalfBreaker {
  private until = -Infinity;

  /** @param now milliseconds */
  constructor(
    private readonly coolDownMs = 1000,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get isOpen(): boolean {
    return this.now() < this.until;
  }

  trip(): void {
    this.until = this.now() + this.coolDownMs;
  }
}

/** A step back of the system's clock beyond this is taken for a correction, and followed. Microseconds. */
const CORRECTION_US = 1_000_000;

/**
 * The times of one logger's events: the system's clock, made strictly increasing by a microsecond where it stands still, so that
 * the order of the events is the order of their times.
 */
export class EventClock {
  private last = 0;

  constructor(private readonly now: () => number = Date.now) {}

  /** RFC 3339, UTC, with microseconds where there are any. */
  next(): string {
    const now = this.now() * 1000;
    this.last = now > this.last || now < this.last - CORRECTION_US ? now : this.last + 1;
    const microseconds = this.last % 1000;
    const milliseconds = new Date((this.last - microseconds) / 1000).toISOString();
    if (microseconds === 0) return milliseconds;
    return `${milliseconds.slice(0, -1)}${String(microseconds).padStart(3, '0')}Z`;
  }
}

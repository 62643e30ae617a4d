/** A step back of the system's clock beyond this is taken for a correction, and followed. Milliseconds. */
const CORRECTION_MS = 1000;
/** The ends of the times between two milliseconds. */
const MICROSECONDS = Array.from({ length: 1000 }, (_, us) => `${String(us).padStart(3, '0')}Z`);
const MILLISECONDS = Array.from({ length: 1000 }, (_, ms) => String(ms).padStart(3, '0'));

/**
 * The times of one logger's events: the system's clock, made strictly increasing by a microsecond where it stands still, so that
 * the order of the events is the order of their times.
 *
 * Only the digits that change are written anew: `toISOString` alone would cost more than all else that is done to an event.
 */
export class EventClock {
  /** The last time told: milliseconds since 1970, and microseconds beyond, apart so that both stay exact. */
  private ms = 0;
  private us = 0;
  /** The second that `secondText` spells, in milliseconds, and its text up to the point. */
  private second = NaN;
  private secondText = '';
  /** The text of `ms`, down to the milliseconds. */
  private text = '';

  /** @param now the system's clock, in whole milliseconds since 1970 */
  constructor(private readonly now: () => number = Date.now) {}

  /** RFC 3339, UTC, always with microseconds: the order of the texts is that of the times. */
  next(): string {
    const now = this.now();
    if (now > this.ms || (this.ms - now) * 1000 + this.us > CORRECTION_MS * 1000) return this.tellMilliseconds(now);
    if (this.us === 999) return this.tellMilliseconds(this.ms + 1);
    if (this.text === '') this.spell();
    return this.text + MICROSECONDS[++this.us]!;
  }

  private tellMilliseconds(ms: number): string {
    this.ms = ms;
    this.us = 0;
    this.spell();
    return `${this.text}000Z`;
  }

  private spell(): void {
    const within = this.ms - this.second;
    if (within >= 0 && within < 1000) this.text = this.secondText + MILLISECONDS[within]!;
    else {
      this.text = new Date(this.ms).toISOString().slice(0, -1);
      this.secondText = this.text.slice(0, -3);
      this.second = this.ms - Number(this.text.slice(-3));
    }
  }
}

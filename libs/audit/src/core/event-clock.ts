/** A step back of the system's clock beyond this is taken for a correction, and followed. Milliseconds. */
const CORRECTION_MS = 1000;
const ZERO = 0x30;
const LENGTH = '2026-11-20T10:00:00.000000Z'.length;
const MILLISECONDS_AT = 20;
const MICROSECONDS_AT = 23;

/**
 * The times of one logger's events: the system's clock, made strictly increasing by a microsecond where it stands still, so that
 * the order of the events is the order of their times.
 *
 * Only the digits that change are written anew: `toISOString` alone would cost more than all else that is done to an event. They are
 * written into a buffer, because a text that is read from it in one piece is several times faster to write as JSON than one put together.
 */
export class EventClock {
  /** The last time told: milliseconds since 1970, and microseconds beyond, apart so that both stay exact. */
  private ms = 0;
  private us = 0;
  /** The second that `text` spells, in milliseconds. */
  private second = NaN;
  private readonly text = Buffer.alloc(LENGTH);

  /** @param now the system's clock, in whole milliseconds since 1970 */
  constructor(private readonly now: () => number = Date.now) {
    this.begin(0);
  }

  /** RFC 3339, UTC, always with microseconds: the order of the texts is that of the times. */
  next(): string {
    const now = this.now();
    if (now > this.ms || (this.ms - now) * 1000 + this.us > CORRECTION_MS * 1000) this.begin(now);
    else if (this.us === 999) this.begin(this.ms + 1);
    else this.writeDigits(MICROSECONDS_AT, ++this.us);
    return this.text.toString('latin1');
  }

  private begin(ms: number): void {
    this.ms = ms;
    this.us = 0;
    const within = ms - this.second;
    if (!(within >= 0 && within < 1000)) this.writeSecond(ms);
    this.writeDigits(MILLISECONDS_AT, ms - this.second);
    this.writeDigits(MICROSECONDS_AT, 0);
  }

  private writeSecond(ms: number): void {
    const text = new Date(ms).toISOString();
    this.text.write(`${text.slice(0, -1)}000Z`, 'latin1');
    this.second = ms - Number(text.slice(-4, -1));
  }

  /** Three of them. */
  private writeDigits(at: number, value: number): void {
    this.text[at] = ZERO + Math.floor(value / 100);
    this.text[at + 1] = ZERO + (Math.floor(value / 10) % 10);
    this.text[at + 2] = ZERO + (value % 10);
  }
}

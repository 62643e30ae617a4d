/** After it has fired, the measure must be this share of its threshold, or less, before it may fire again. */
const CLEAR = 0.8;

/**
 * One measure against its threshold. It fires when the measure is over it in two windows in a row: at the end of one, at the end of the
 * next, and at every look between. Then it is silent until the measure has been clearly below for as long, and the cooldown is over.
 */
export class Trigger {
  private overSince: number | undefined;
  private lastingSince: number | undefined;
  private clearSince: number | undefined;
  private armed = true;
  private firedAt = -Infinity;
  private last: { value: number | null; now: number } = { value: null, now: 0 };

  constructor(
    readonly threshold: number,
    private readonly windowMs: number,
    private readonly cooldownMs: number,
  ) {}

  /**
   * @param value of the window that ends now; null when there is too little to tell, and then there is no row of windows either
   * @param lasting whether the latter half of the window is bad by itself. A short burst makes all windows bad that it is in, for as long
   *   as a window; it must have lasted longer than one.
   */
  observe(value: number | null, lasting: boolean | undefined, now: number): boolean {
    this.last = { value, now };
    const over = value !== null && value > this.threshold;
    const clear = value !== null && value <= this.threshold * CLEAR;
    this.overSince = over ? (this.overSince ?? now) : undefined;
    this.lastingSince = lasting === false ? undefined : (this.lastingSince ?? now);
    this.clearSince = clear ? (this.clearSince ?? now) : undefined;
    if (this.clearSince !== undefined && now - this.clearSince >= this.windowMs) this.armed = true;
    if (!this.armed || this.windowsOver < 2 || now - this.firedAt < this.cooldownMs) return false;
    this.armed = false;
    this.firedAt = now;
    return true;
  }

  get value(): number | null {
    return this.last.value;
  }

  /** 0, 1 or 2: as many windows in a row, up to now, as were over the threshold. */
  get windowsOver(): 0 | 1 | 2 {
    const { overSince = Infinity, lastingSince = Infinity, windowMs } = this;
    const { now } = this.last;
    if (overSince === Infinity) return 0;
    return now - overSince >= windowMs && now - lastingSince >= 1.5 * windowMs ? 2 : 1;
  }

  /** As new: it fires on the next two windows, whatever was before. */
  reset(): void {
    this.overSince = undefined;
    this.lastingSince = undefined;
    this.clearSince = undefined;
    this.armed = true;
    this.firedAt = -Infinity;
  }
}

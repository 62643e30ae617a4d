/** A month of UTC, as its first moment. */
export function monthOf(time: Date, offset = 0): Date {
  return new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + offset));
}

/** `2026-11` */
export function monthName(month: Date): string {
  return month.toISOString().slice(0, 7);
}

/** Whole months from one to the other. */
export function monthsBetween(from: Date, to: Date): number {
  return (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth();
}

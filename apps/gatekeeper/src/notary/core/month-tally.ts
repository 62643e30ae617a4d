import { leafHash, SealDigest } from '#tlog';

/** The leaves of one month. */
export interface MonthLeaves {
  events: number;
  first: number;
  last: number;
}

/** Counts a log's leaves by the months of their events, as they come by. */
export class MonthTally {
  /** Up to the bounds: what came after a month's seal is not counted. */
  readonly months = new Map<string, MonthLeaves>();
  /** All leaves of the month that was asked for. */
  readonly asked = { events: 0, first: -1, last: -1 };
  readonly digest = new SealDigest();
  /** Leaves of sealed months that came after the seal. */
  late = 0;
  /** Leaves whose month cannot be told: of entries that are only digests. */
  unknown = 0;

  /** @param month the one to be sealed, whose leaves are digested too */
  constructor(
    private readonly bounds: ReadonlyMap<string, number>,
    private readonly month?: string,
  ) {}

  add(month: string | undefined, index: number, entry: unknown): void {
    if (month === undefined) {
      this.unknown++;
      return;
    }
    if (month === this.month && entry instanceof Uint8Array) {
      count(this.asked, index);
      this.digest.add(index, leafHash(entry));
    }
    const bound = this.bounds.get(month);
    if (bound === undefined) return;
    if (index >= bound) {
      this.late++;
      return;
    }
    const leaves = this.months.get(month) ?? { events: 0, first: -1, last: -1 };
    this.months.set(month, leaves);
    count(leaves, index);
  }
}

function count(leaves: MonthLeaves, index: number): void {
  if (leaves.events === 0) leaves.first = index;
  leaves.events++;
  leaves.last = index;
}

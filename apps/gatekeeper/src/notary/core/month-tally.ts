import { leafHash, SealDigest, type Hash } from '#tlog';

/** The leaves of one month. */
export interface MonthLeaves {
  events: number;
  first: number;
  last: number;
}

/** Counts a log's leaves by the months of their events, as they come by. */
export class MonthTally {
  readonly months = new Map<string, MonthLeaves>();
  /** Leaves whose month cannot be told: of entries that are only digests. */
  unknown = 0;
  readonly digest = new SealDigest();

  /** @param digested the month whose leaves are digested too, for a seal */
  constructor(
    private readonly bounds: ReadonlyMap<string, number> = new Map(),
    private readonly digested?: string,
  ) {}

  /** Leaves from a month's bound on are not counted: they came after its seal. */
  add(month: string | undefined, index: number, entry: unknown): void {
    if (month === undefined) {
      this.unknown++;
      return;
    }
    if (index >= (this.bounds.get(month) ?? Infinity)) return;
    const known = this.months.get(month);
    if (!known) this.months.set(month, { events: 1, first: index, last: index });
    else {
      known.events++;
      known.last = index;
    }
    if (month === this.digested && entry instanceof Uint8Array) this.digest.add(index, leafHash(entry) satisfies Hash);
  }
}

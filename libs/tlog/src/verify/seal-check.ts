import { TlogError } from '../errors.js';
import { sameHash, type Hash } from '../merkle/hashing.js';
import { type NoteVerifier } from '../note/keys.js';
import { openSeal, type Seal } from '../seal/seal.js';
import { SealDigest } from '../seal/seal-digest.js';
import { Found } from './difference.js';
import { type LogSource } from './log-source.js';

/** Of a thousand years. */
const MAX_SEALS = 12_000;

/** Holds the leaves whose events were dropped against the seals of their months. */
export class SealCheck {
  private readonly dropped = new Map<string, SealDigest>();

  private constructor(private readonly seals: ReadonlyMap<string, Seal>) {}

  /** Leaves whose event was dropped under a seal. */
  get count(): number {
    return [...this.dropped.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** @throws Found when one is not the log's */
  static async open(source: LogSource, log: readonly NoteVerifier[]): Promise<SealCheck> {
    const seals = new Map<string, Seal>();
    if (source.seals)
      for await (const note of source.seals()) {
        const seal = openOrFind(note, log);
        // A month that was sealed again, for events that came late.
        if ((seals.get(seal.month)?.size ?? -1) < seal.size) seals.set(seal.month, seal);
        if (seals.size > MAX_SEALS) throw new TlogError('tlog_too_large', `more than ${MAX_SEALS} seals`);
      }
    return new SealCheck(seals);
  }

  /** What the seals say of the log. */
  roots(): Pick<Seal, 'size' | 'root'>[] {
    return [...this.seals.values()];
  }

  /** @throws Found when the leaf may not be without its event */
  take(month: string, index: number, hash: Hash): void {
    const seal = this.seals.get(month);
    if (!seal || index >= seal.size)
      throw new Found({ kind: 'event_missing', index, detail: `the event is gone, and no seal of ${month} covers it` });
    const digest = this.dropped.get(month) ?? new SealDigest();
    this.dropped.set(month, digest);
    digest.add(index, hash);
  }

  /** @throws Found when other leaves are without their events than were sealed */
  end(): void {
    for (const [month, digest] of this.dropped) {
      const seal = this.seals.get(month)!;
      if (digest.count === seal.leaves && sameHash(digest.digest(), seal.digest)) continue;
      const detail = `${digest.count} leaves are said to be of ${month}, and they are not the ${seal.leaves} of its seal`;
      throw new Found({ kind: 'seal', index: digest.first, detail });
    }
  }
}

function openOrFind(note: string | Uint8Array, log: readonly NoteVerifier[]): Seal {
  try {
    return openSeal(note, log);
  } catch (error) {
    if (!(error instanceof TlogError)) throw error;
    throw new Found({ kind: 'seal', index: 0, detail: error.message });
  }
}

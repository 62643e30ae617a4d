import { TlogError } from '../errors.js';
import { EMPTY_ROOT, sameHash, type Hash } from '../merkle/hashing.js';
import { openCheckpoint, readCheckpoint, type Checkpoint } from '../note/checkpoint.js';
import { type NoteVerifier } from '../note/keys.js';
import { Found } from './difference.js';
import { type LogSource } from './log-source.js';

/** A root that the log is known to have had. */
export type KnownRoot = Pick<Checkpoint, 'size' | 'root'>;

/** Compares the kept checkpoints, by size, and those that the verifier kept, with the roots that the leaves have there. */
export class CheckpointCheck {
  /** Checkpoints that agreed. */
  count = 0;
  /** The size up to which all agreed. */
  private agreed = 0;
  private readonly kept: AsyncIterator<string | Uint8Array>;
  private next: PlacedCheckpoint | undefined;
  private savedAt = 0;

  /** @param saved by size, and opened; and what else is known to have been so */
  constructor(
    source: LogSource,
    private readonly log: readonly NoteVerifier[],
    private readonly saved: readonly KnownRoot[],
  ) {
    this.kept = source.checkpoints()[Symbol.asyncIterator]();
  }

  /** Reads the first one. */
  async begin(): Promise<void> {
    await this.advance(0);
  }

  /** Whether a checkpoint of this size is to be compared with its root. */
  isDue(size: number): boolean {
    return (this.next !== undefined && this.next.size <= size) || this.saved[this.savedAt]?.size === size;
  }

  /** @throws Found when one of this size has another root, or the next one is not the log's */
  async compare(size: number, root: Hash): Promise<void> {
    const roots: Hash[] = [];
    while (this.next !== undefined && this.next.size <= size) {
      if (this.next.problem) throw this.next.problem;
      if (this.next.size < size) throw outOfOrder(this.next.size);
      const { root: own } = this.next;
      // Of many forks two are enough.
      if (roots.length < 2 && !roots.some((known) => sameHash(known, own))) roots.push(own);
      this.count++;
      await this.advance(size);
    }
    if (roots.length > 1) throw this.differs('fork', size, 'the log keeps two signed checkpoints of one size');
    if (roots[0] && !sameHash(roots[0], root))
      throw this.differs('root', size, 'the checkpoint has another root than the leaves');
    for (; this.saved[this.savedAt]?.size === size; this.savedAt++) {
      if (!sameHash(this.saved[this.savedAt]!.root, root))
        throw this.differs('fork', size, 'a checkpoint saved earlier, or a seal, has another root than the leaves');
      this.count++;
    }
    this.agreed = size;
  }

  /** @throws Found when a checkpoint goes further than the log's end */
  end(size: number): void {
    if (this.next?.problem) throw this.next.problem;
    const beyond = this.next ?? this.saved[this.savedAt];
    if (beyond === undefined) return;
    const whose = this.next ? 'checkpoint' : 'checkpoint saved earlier, or a seal,';
    const detail = `the log ends at ${size} leaves, and a ${whose} has ${beyond.size}`;
    throw new Found({ kind: 'rolled_back', index: size, detail });
  }

  /** Ends the reading of checkpoints, wherever it is. */
  async close(): Promise<void> {
    await this.kept.return?.();
  }

  private async advance(size: number): Promise<void> {
    const next = await this.kept.next();
    this.next = next.done ? undefined : placeCheckpoint(next.value, this.log, size);
  }

  private differs(kind: 'root' | 'fork', size: number, detail: string): Found {
    return new Found({ kind, index: size, after: this.agreed, detail });
  }
}

/** A checkpoint with what is wrong with it, if something is: that is told when its turn comes. */
export interface PlacedCheckpoint {
  size: number;
  root: Hash;
  problem?: Found;
}

/** @param at the size that the verification has come to, for what does not tell its own */
export function placeCheckpoint(note: string | Uint8Array, log: readonly NoteVerifier[], at: number): PlacedCheckpoint {
  try {
    return openCheckpoint(note, log);
  } catch (error) {
    if (!(error instanceof TlogError)) throw error;
    const { size, root } = readOr(note, { size: at, root: EMPTY_ROOT });
    return { size, root, problem: new Found({ kind: 'checkpoint', index: size, detail: error.message }) };
  }
}

function readOr<T>(note: string | Uint8Array, otherwise: T): T | Checkpoint {
  try {
    return readCheckpoint(note);
  } catch {
    return otherwise;
  }
}

function outOfOrder(size: number): Found {
  return new Found({ kind: 'checkpoint', index: size, detail: 'a checkpoint is not where its size puts it' });
}

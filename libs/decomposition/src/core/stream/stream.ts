import { type Side } from '../side.js';

export interface Lag {
  /** Age of the oldest change that is not on the other side yet; 0 when there is none. Null when nothing moves at all. */
  seconds: number | null;
  /** WAL kept, or changes waiting, for it. */
  pending: number;
  pendingUnit: 'bytes' | 'changes';
  /** Changes were missed, and will not come: what they were kept in is gone. Default false. */
  lost?: boolean;
}

export interface ChangedKeys {
  /** As in `fullName`. */
  table: string;
  /** The texts of the key's columns. */
  keys: readonly (readonly string[])[];
  /** All rows of the table may have changed (TRUNCATE). */
  all: boolean;
}

/** Which rows changed, for a reader that comes back now and then. */
export interface ChangeLog {
  /** What changed on that side since the last `forget`, oldest first, up to the moment of the call; a key may come twice. */
  read(signal: AbortSignal): AsyncIterable<ChangedKeys>;
  /** What the last complete `read` gave is dealt with. */
  forget(): Promise<void>;
}

export interface StartOptions {
  /** Also onto rows that were copied later than a change of them happened; until `CopyAid.settle`. Default false. */
  afterCopy?: boolean;
}

/** What the copy does for a stream whose changes are repeated onto rows that were read later. */
export interface CopyAid {
  /** Whether nothing was missed since `capture`; if something was, what is copied is worth nothing. */
  isIntact(): Promise<boolean>;
  /** Bytes of log that the server keeps: `pending` goes down by `workOff`, `retained` some time later. */
  kept(): Promise<{ pending: number; retained: number }>;
  /**
   * Between two chunks, while none is being copied: brings over what was captured by now, so that the server need not keep it. Waits a
   * moment for the server to see that, if it keeps more than so many bytes.
   */
  workOff(timeoutMs: number, enough: number): Promise<void>;
  /** When all is copied and the stream at work: resolves when the two sides differ by what happens now, and takes away what served the copy. */
  settle(timeoutMs: number): Promise<void>;
}

/**
 * Keeps the tables of one side in step with those of the other; built for one direction. Every call is idempotent and may be
 * repeated after a crash at any point. Source: PostgreSQL documentation, "Logical Replication".
 */
export interface Stream {
  /** The side that changes come from. */
  readonly from: Side;
  /** When this resolves, no change from now on will be missed. Applies nothing yet. */
  capture(): Promise<void>;
  /** Begins to apply what was captured. */
  start(options?: StartOptions): Promise<void>;
  /** All that had been captured by now is dealt with elsewhere, because the two sides are equal and neither takes writes: begins after it. */
  skipToNow(): Promise<void>;
  lag(): Promise<Lag>;
  /** Resolves when everything committed on `from` before the call is on the other side. @throws SplitError `timeout` */
  catchUp(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Applies nothing any more; goes on capturing. */
  stop(): Promise<void>;
  /**
   * Stops, and leaves nothing behind on either side.
   *
   * @param only on this side only, and without a question to the other, which is gone for good
   */
  end(only?: Side): Promise<void>;
  /** Rows of `from` that changed since `capture`. */
  readonly changes: ChangeLog;
  /**
   * Of streams whose participants write both sides: keys of a table, named as in `fullName`, that were written on the other side while the
   * transaction on `from` goes on. An empty key stands for all rows.
   */
  underWay?(table: string): Promise<readonly (readonly string[])[]>;
  /** Of a stream that needs more than to be started when the copy is complete. */
  readonly copyAid?: CopyAid;
}

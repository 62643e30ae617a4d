import { type Hash } from '../merkle/hashing.js';
import { type Tile } from '../tiles/tile.js';

/** A leaf, and what became of the event that it was made of. */
export interface LogLeaf {
  index: number;
  /** The leaf's hash, where the log keeps it apart from its tiles. */
  hash?: Hash;
  /**
   * The entry, made anew from the event as it is stored now. Otherwise `missing`: there is no such event any more; `unreadable`: there
   * is a row that no event becomes; `sealed`: it was dropped with that month (`YYYY-MM`), of which there is a seal.
   */
  entry: Uint8Array | 'missing' | 'unreadable' | { sealed: string };
}

/** One tenant's log as it is kept somewhere: by a service, in a database, in a folder. What it throws means that nobody can tell. */
export interface LogSource {
  /** The newest checkpoint; null when there is none, and so no leaf. It is what all else is held against. */
  latest(): Promise<string | Uint8Array | null>;
  /** All checkpoints that are kept, the newest too, by size. */
  checkpoints(): AsyncIterable<string | Uint8Array>;
  /** All leaves, by index, in batches. */
  leaves(): AsyncIterable<readonly LogLeaf[]>;
  /** undefined for a tile that is not there. */
  readTile(tile: Tile): Promise<Uint8Array | undefined>;
  /** The seals of months, where there are any. */
  seals?(): AsyncIterable<string | Uint8Array>;
  /** Ids of events of this tenant that are in no leaf and should be by now. */
  unlogged?(): AsyncIterable<string>;
}

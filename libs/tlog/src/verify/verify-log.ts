import { expectArgument } from '../errors.js';
import { Frontier } from '../merkle/frontier.js';
import { EMPTY_ROOT, leafHash, sameHash, type Hash } from '../merkle/hashing.js';
import { openCheckpoint } from '../note/checkpoint.js';
import { type NoteVerifier } from '../note/keys.js';
import { TILE_HEIGHT, TILE_WIDTH } from '../tiles/tile.js';
import { CheckpointCheck, placeCheckpoint, type KnownRoot, type PlacedCheckpoint } from './checkpoint-check.js';
import { Found, type Difference } from './difference.js';
import { type LogLeaf, type LogSource } from './log-source.js';
import { SealCheck } from './seal-check.js';
import { TileCheck } from './tile-check.js';

export interface VerifyLogOptions {
  tenant: string;
  /** The log's key, or its keys one after the other, by the name of its origin. */
  log: NoteVerifier | readonly NoteVerifier[];
  /** Checkpoints that the verifier has kept from earlier: at most 100,000. */
  saved?: readonly (string | Uint8Array)[];
  /** Called every 256 leaves, and at the end. */
  onProgress?: (leaves: number, size: number) => void;
}

export type LogVerdict =
  | {
      intact: true;
      tenant: string;
      size: number;
      root: Hash;
      /** Leaves whose event was dropped under a seal; the others were made anew. */
      sealed: number;
      checkpoints: number;
      tiles: number;
      /** To be saved for the next time; null of an empty log. */
      latest: string | Uint8Array | null;
    }
  | { intact: false; difference: Difference };

const MAX_SAVED = 100_000;

/**
 * Makes the log anew from its events, and holds it against all that is kept of it: each leaf, each tile, each checkpoint. Since all
 * checkpoints are compared with roots of one and the same sequence of leaves, they are consistent with each other.
 *
 * Reads everything once and in order; in memory are the batch of leaves, one tile a level, the edge of the tree, and the seals.
 *
 * @returns the first difference by index, where there is one
 * @throws TlogError when a saved checkpoint is not one of this log, and what the source throws: then nobody can tell
 */
export async function verifyLog(source: LogSource, options: VerifyLogOptions): Promise<LogVerdict> {
  const { tenant } = options;
  const log = 'name' in options.log ? [options.log] : options.log;
  const saved = openSaved(options.saved ?? [], log);
  try {
    const seals = await SealCheck.open(source, log);
    return await new Verification(source, options, log, saved, seals).run();
  } catch (error) {
    if (error instanceof Found) return { intact: false, difference: { tenant, ...error.difference } };
    throw error;
  }
}

function openSaved(notes: readonly (string | Uint8Array)[], log: readonly NoteVerifier[]): KnownRoot[] {
  expectArgument(notes.length <= MAX_SAVED, `at most ${MAX_SAVED} saved checkpoints`);
  return notes.map((note) => openCheckpoint(note, log));
}

class Verification {
  private readonly frontier = new Frontier();
  private readonly checkpoints: CheckpointCheck;
  /** Hashes for the tiles above level 0 that the last leaf has completed, by level from 1 on. */
  private completed: Hash[] = [];

  constructor(
    private readonly source: LogSource,
    private readonly options: VerifyLogOptions,
    private readonly log: readonly NoteVerifier[],
    saved: readonly KnownRoot[],
    private readonly seals: SealCheck,
  ) {
    const known = [...saved, ...seals.roots()].sort((one, other) => one.size - other.size);
    this.checkpoints = new CheckpointCheck(source, log, known);
  }

  async run(): Promise<LogVerdict> {
    const latest = await this.source.latest();
    const head: PlacedCheckpoint =
      latest === null ? { size: 0, root: EMPTY_ROOT } : placeCheckpoint(latest, this.log, 0);
    // Without a size there is nothing to hold leaves against.
    if (head.problem && head.size === 0) throw head.problem;
    try {
      const tiles = new TileCheck(this.source, head.size);
      await this.leaves(head.size, tiles);
      if (head.problem) throw head.problem;
      const root = this.frontier.root();
      if (!sameHash(root, head.root))
        throw new Found({
          kind: 'root',
          index: head.size,
          detail: 'the newest checkpoint has another root than the leaves',
        });
      this.checkpoints.end(head.size);
      tiles.end();
      this.seals.end();
      await this.unlogged(head.size);
      this.options.onProgress?.(head.size, head.size);
      const { tenant } = this.options;
      const { count } = this.checkpoints;
      return {
        intact: true,
        tenant,
        size: head.size,
        root,
        sealed: this.seals.count,
        checkpoints: count,
        tiles: tiles.count,
        latest,
      };
    } finally {
      await this.checkpoints.close();
    }
  }

  private async leaves(size: number, tiles: TileCheck): Promise<void> {
    const { frontier, checkpoints } = this;
    await checkpoints.begin();
    if (checkpoints.isDue(0)) await checkpoints.compare(0, EMPTY_ROOT);
    for await (const batch of this.source.leaves())
      for (const leaf of batch) {
        const hash = await this.leaf(leaf, size, tiles);
        frontier.append(hash, this.noteCompleted);
        await this.compareCompleted(tiles);
        if (checkpoints.isDue(frontier.size)) await checkpoints.compare(frontier.size, frontier.root());
        if (frontier.size % TILE_WIDTH === 0) this.options.onProgress?.(frontier.size, size);
      }
    if (frontier.size < size)
      throw found('leaf_missing', frontier.size, `the log has ${frontier.size} leaves, its checkpoint ${size}`);
  }

  /** @returns its hash, which is that of its event and of its tile. @throws Found when they differ */
  private async leaf({ index, hash, entry }: LogLeaf, size: number, tiles: TileCheck): Promise<Hash> {
    const due = this.frontier.size;
    if (index < due) throw found('leaf_extra', index, `the leaf comes again where ${due} is due`);
    if (due >= size) throw found('leaf_extra', index, `the newest checkpoint ends at ${size} leaves`);
    if (index > due) throw found('leaf_missing', due, `the leaf after ${due - 1} is ${index}`);
    const inTile = await tiles.hashAt(0, index);
    if (entry === 'missing') throw found('event_missing', index, 'the event of the leaf is gone');
    if (entry === 'unreadable') throw found('event_changed', index, 'the row of the leaf is not an event');
    const kept = hash ?? inTile;
    if (!(entry instanceof Uint8Array)) this.seals.take(entry.sealed, index, inTile);
    const made = entry instanceof Uint8Array ? leafHash(entry) : kept;
    if (sameHash(made, kept) && sameHash(made, inTile)) return inTile;
    if (sameHash(made, kept)) await tiles.compare(0, index, made);
    if (sameHash(made, inTile)) throw found('leaf_changed', index, 'the leaf is not the hash of its event');
    throw found('event_changed', index, 'the event is not the one that the leaf was made of');
  }

  private readonly noteCompleted = (treeLevel: number, hash: Hash): void => {
    if (treeLevel > 0 && treeLevel % TILE_HEIGHT === 0) this.completed.push(hash);
  };

  private async compareCompleted(tiles: TileCheck): Promise<void> {
    if (this.completed.length === 0) return;
    for (const [i, hash] of this.completed.entries())
      await tiles.compare(i + 1, this.frontier.size / TILE_WIDTH ** (i + 1) - 1, hash);
    this.completed = [];
  }

  private async unlogged(size: number): Promise<void> {
    if (!this.source.unlogged) return;
    for await (const id of this.source.unlogged()) throw found('event_unlogged', size, `the event ${id} is in no leaf`);
  }
}

function found(kind: Difference['kind'], index: number, detail: string): Found {
  return new Found({ kind, index, detail });
}

import { expectArgument, TlogError } from '../errors.js';
import { Frontier } from '../merkle/frontier.js';
import { HASH_BYTES, sameHash, type Hash } from '../merkle/hashing.js';
import { TileHashReader, type TileSource } from './tile-hash-reader.js';
import { MAX_TILE_BYTES, partialTiles, TILE_HEIGHT, TILE_WIDTH, type TileData } from './tile.js';

/** Full tiles that may wait to be taken: 32 MiB, of a million leaves. */
const MAX_WAITING = 4096;

/** A tile in the making. */
interface Growing {
  index: number;
  width: number;
  bytes: Buffer;
  /** Whether it has grown since it was last taken. */
  changed: boolean;
}

/**
 * A growing tree and its tiles: leaves go in, tiles come out. It holds the frontier and the one tile of each level that is not full: 8 KiB
 * for each of at most seven levels, and a few dozen hashes; and the full tiles that nobody has taken yet.
 *
 * All of its state is in the tree's partial tiles: after a restart it is opened from those.
 */
export class TreeEdge {
  private frontier = new Frontier();
  /** By level; those that the tree does not reach yet are not there. */
  private readonly growing: Growing[] = [];
  private full: TileData[] = [];

  /**
   * The edge of a tree that is there already, from its partial tiles.
   *
   * @param root what the tree is known to have, such as from its last checkpoint
   * @throws TlogError tlog_malformed when a tile is not of its width, tlog_proof when they lead to another root
   */
  static async open(size: number, source: TileSource, root: Hash): Promise<TreeEdge> {
    const edge = new TreeEdge();
    const tiles = partialTiles(size);
    const read = tiles.length === 0 ? [] : await source.readTiles(tiles);
    tiles.forEach(({ level, index, width }, i) => {
      const bytes = read[i];
      expectArgument(bytes !== undefined, 'the tile source gave fewer tiles than it was asked for');
      if (bytes.length < width * HASH_BYTES)
        throw new TlogError('tlog_malformed', `tile ${index} of level ${level} has fewer than ${width} hashes`);
      const growing = edge.growingAt(level);
      growing.bytes.set(bytes.subarray(0, width * HASH_BYTES));
      growing.width = width;
    });
    for (const [level, growing] of edge.growing.entries()) growing.index = Math.floor(size / TILE_WIDTH ** (level + 1));

    const nodes = Frontier.nodes(size);
    const own: TileSource = {
      readTiles: async (wanted) =>
        wanted.map(({ level, width }) => edge.growing[level]!.bytes.subarray(0, width * HASH_BYTES)),
    };
    edge.frontier = Frontier.of(size, await new TileHashReader(size, own).readHashes(nodes));
    if (!sameHash(edge.root(), root))
      throw new TlogError(
        'tlog_proof',
        `the tiles at the edge of ${size} leaves do not lead to the root that they should`,
      );
    return edge;
  }

  get size(): number {
    return this.frontier.size;
  }

  root(): Hash {
    return this.frontier.root();
  }

  /** @throws TlogError tlog_argument when it is not a hash, or a million leaves wait in tiles that nobody takes */
  append(leafHash: Hash): void {
    expectArgument(this.full.length < MAX_WAITING, 'take the full tiles before appending more');
    this.frontier.append(leafHash, this.keep);
  }

  /** The tiles that are full since the last time. */
  takeFull(): TileData[] {
    const taken = this.full;
    this.full = [];
    return taken;
  }

  /** All tiles that are new or wider since the last time: the full ones first, then the partial ones as they are now. */
  takeChanged(): TileData[] {
    const partial = this.growing.flatMap(({ index, width, bytes, changed }, level) =>
      changed && width > 0 ? [{ level, index, width, bytes: Buffer.from(bytes.subarray(0, width * HASH_BYTES)) }] : [],
    );
    for (const growing of this.growing) growing.changed = false;
    return [...this.takeFull(), ...partial];
  }

  private growingAt(level: number): Growing {
    while (this.growing.length <= level)
      this.growing.push({ index: 0, width: 0, bytes: Buffer.alloc(MAX_TILE_BYTES), changed: false });
    return this.growing[level]!;
  }

  /** Puts the hash of a perfect subtree into its tile, where it has one. */
  private readonly keep = (treeLevel: number, hash: Hash): void => {
    if (treeLevel % TILE_HEIGHT !== 0) return;
    const level = treeLevel / TILE_HEIGHT;
    const growing = this.growingAt(level);
    growing.bytes.set(hash, growing.width * HASH_BYTES);
    growing.width++;
    growing.changed = true;
    if (growing.width < TILE_WIDTH) return;
    this.full.push({ level, index: growing.index, width: TILE_WIDTH, bytes: Buffer.from(growing.bytes) });
    growing.index++;
    growing.width = 0;
    growing.changed = false;
  };
}

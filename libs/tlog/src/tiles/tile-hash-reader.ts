import { expectArgument } from '../errors.js';
import { HASH_BYTES, nodeHash, type Hash } from '../merkle/hashing.js';
import { type HashReader } from '../merkle/proofs.js';
import { checkSize, type TreeNode } from '../merkle/tree.js';
import { decodeTile, MAX_TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, tileWidth, type Tile } from './tile.js';

export interface TileSource {
  /**
   * The bytes of tiles, in the order asked for. A tile that has grown meanwhile may be given instead of the one asked for: its first
   * hashes are the same.
   */
  readTiles(tiles: readonly Tile[]): Promise<readonly Uint8Array[]>;
}

/**
 * Reads a tree's hashes from its tiles: one tile for each hash at most, and none twice in a call. A proof touches at most two tiles a
 * level. Tiles are taken at their word: what is made of them is to be verified against a signed root.
 */
export class TileHashReader implements HashReader {
  constructor(
    private readonly size: number,
    private readonly source: TileSource,
  ) {
    checkSize(size);
  }

  async readHashes(nodes: readonly TreeNode[]): Promise<Hash[]> {
    const wanted = new Map<string, Tile>();
    const places = nodes.map((node) => {
      const place = placeOf(node);
      const key = `${place.level}/${place.index}`;
      const width = tileWidth(place.level, place.index, this.size);
      expectArgument(
        node.index >= 0 && place.from + place.count <= width,
        `node ${node.index} of level ${node.level} is not in a tree of ${this.size} leaves`,
      );
      wanted.set(key, { level: place.level, index: place.index, width });
      return { key, ...place };
    });
    const tiles = [...wanted.values()];
    const bytes = tiles.length === 0 ? [] : await this.source.readTiles(tiles);
    expectArgument(bytes.length === tiles.length, 'the tile source gave fewer or more tiles than it was asked for');
    const hashes = new Map([...wanted.keys()].map((key, i) => [key, widest(bytes[i]!, tiles[i]!)]));
    return places.map(({ key, from, count }) => perfectRoot(hashes.get(key)!.slice(from, from + count)));
  }
}

/** A tile of a later tree holds more hashes than asked for. */
function widest(bytes: Uint8Array, { width }: Tile): Hash[] {
  const end = width * HASH_BYTES;
  return decodeTile(bytes.length > end && bytes.length <= MAX_TILE_BYTES ? bytes.subarray(0, end) : bytes, width);
}

/** The `count` hashes from `from` on, of one tile, that make up a node. */
function placeOf({ level, index }: TreeNode): { level: number; index: number; from: number; count: number } {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const count = 2 ** (level % TILE_HEIGHT);
  const first = index * count;
  return { level: tileLevel, index: Math.floor(first / TILE_WIDTH), from: first % TILE_WIDTH, count };
}

/** The root over a power of two of hashes. */
export function perfectRoot(hashes: readonly Hash[]): Hash {
  let row = hashes;
  while (row.length > 1) row = Array.from({ length: row.length / 2 }, (_, i) => nodeHash(row[i * 2]!, row[i * 2 + 1]!));
  return row[0]!;
}

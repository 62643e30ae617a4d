import { type Hash, HASH_BYTES, sameHash } from '../merkle/hashing.js';
import { firstLeaf, TILE_LEVELS, TILE_WIDTH, tileWidth, type Tile } from '../tiles/tile.js';
import { Found } from './difference.js';
import { type LogSource } from './log-source.js';

/** Compares hashes with those in the tiles, in the order of their indices: one tile of each level is in memory. */
export class TileCheck {
  /** Tiles looked at. */
  count = 0;
  private readonly held: (Uint8Array | undefined)[] = Array.from({ length: TILE_LEVELS });

  /** @param size of the tree whose tiles they are */
  constructor(
    private readonly source: LogSource,
    private readonly size: number,
  ) {}

  /** The hash that the tile has at that place. @throws Found when the tile is not there, or not of its width */
  async hashAt(level: number, index: number): Promise<Hash> {
    const position = index % TILE_WIDTH;
    if (position === 0) this.held[level] = await this.read(level, Math.floor(index / TILE_WIDTH));
    return this.held[level]!.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES);
  }

  /** @throws Found when the tile has another hash there */
  async compare(level: number, index: number, hash: Hash): Promise<void> {
    const kept = await this.hashAt(level, index);
    if (sameHash(kept, hash)) return;
    const tile = { level, index: Math.floor(index / TILE_WIDTH) };
    throw changed(tile, index % TILE_WIDTH, 'has another hash than its leaves make');
  }

  private async read(level: number, index: number): Promise<Uint8Array> {
    const tile: Tile = { level, index, width: tileWidth(level, index, this.size) };
    const bytes = await this.source.readTile(tile);
    if (!bytes)
      throw new Found({
        kind: 'tile_missing',
        index: firstLeaf(tile),
        detail: `tile ${index} of level ${level} is gone`,
      });
    if (bytes.length !== tile.width * HASH_BYTES) {
      const whole = Math.min(Math.floor(bytes.length / HASH_BYTES), tile.width - 1);
      throw changed(tile, whole, `has ${bytes.length} bytes where ${tile.width * HASH_BYTES} are due`);
    }
    this.count++;
    return bytes;
  }
}

function changed(tile: Omit<Tile, 'width'>, position: number, what: string): Found {
  const detail = `tile ${tile.index} of level ${tile.level} ${what}, from its hash ${position} on`;
  return new Found({ kind: 'tile_changed', index: firstLeaf(tile, position), detail });
}

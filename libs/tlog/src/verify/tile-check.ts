import { type Hash, HASH_BYTES, sameHash } from '../merkle/hashing.js';
import { firstLeaf, MAX_TILE_BYTES, TILE_LEVELS, TILE_WIDTH, tileWidth, type Tile } from '../tiles/tile.js';
import { Found } from './difference.js';
import { type LogSource } from './log-source.js';

/** Compares hashes with those in the tiles, in the order of their indices: one tile of each level is in memory. */
export class TileCheck {
  /** Tiles looked at. */
  count = 0;
  private wider: Tile | undefined;
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

  /** @throws Found when a tile goes further than the newest checkpoint */
  end(): void {
    if (!this.wider) return;
    const { level, index } = this.wider;
    const detail = `tile ${index} of level ${level} goes beyond the ${this.size} leaves of the newest checkpoint`;
    throw new Found({ kind: 'rolled_back', index: this.size, detail });
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
    const due = tile.width * HASH_BYTES;
    if (bytes.length < due || bytes.length > MAX_TILE_BYTES || bytes.length % HASH_BYTES !== 0) {
      const whole = Math.min(Math.floor(bytes.length / HASH_BYTES), tile.width - 1);
      throw changed(tile, whole, `has ${bytes.length} bytes where ${due} are due`);
    }
    // What it has beyond the log's end is told last: all that is before may differ, too.
    if (bytes.length > due) this.wider = tile;
    this.count++;
    return bytes;
  }
}

function changed(tile: Omit<Tile, 'width'>, position: number, what: string): Found {
  const detail = `tile ${tile.index} of level ${tile.level} ${what}, from its hash ${position} on`;
  return new Found({ kind: 'tile_changed', index: firstLeaf(tile, position), detail });
}

import { expectArgument, malformed } from '../errors.js';
import { HASH_BYTES, type Hash } from '../merkle/hashing.js';
import { splitHashes } from '../merkle/frontier.js';
import { checkSize, MAX_SIZE } from '../merkle/tree.js';

/** C2SP tlog-tiles: a tile is up to 256 hashes side by side, every eighth level of the tree. */
export const TILE_WIDTH = 256;
export const TILE_HEIGHT = 8;
/** Tile levels of a tree of MAX_SIZE leaves: 256^6 < 2^53 < 256^7. */
export const TILE_LEVELS = 7;
export const MAX_TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/** `width` hashes, from `index * 256` on, of the tile level `level` (tree level `8 * level`). */
export interface Tile {
  level: number;
  index: number;
  /** 1 to 255 in a partial tile, 256 in a full one. */
  width: number;
}

/** Up to 256 entries, the leaves of the tile at level 0 with the same index and width. */
export type Bundle = Omit<Tile, 'level'>;

/** A tile and its bytes. */
export interface TileData extends Tile {
  bytes: Uint8Array;
}

/** How many hashes the tile level has in a tree of that size. */
export function levelWidth(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** The width of a tile in a tree of that size; 0 when it is not there yet. */
export function tileWidth(level: number, index: number, size: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, levelWidth(level, size) - index * TILE_WIDTH));
}

/** The first leaf under the hash at that position of the tile. */
export function firstLeaf({ level, index }: Omit<Tile, 'width'>, position = 0): number {
  return (index * TILE_WIDTH + position) * TILE_WIDTH ** level;
}

/**
 * The tiles that are new or wider when a tree grows from `oldSize` to `size` leaves, by level and index; from 0, all of its tiles. At
 * level 0 they are the entry bundles that change, too.
 */
export function* changedTiles(oldSize: number, size: number): Generator<Tile, void, void> {
  checkSize(oldSize);
  checkSize(size);
  expectArgument(oldSize <= size, `a tree does not shrink, from ${oldSize} to ${size} leaves`);
  for (let level = 0; level < TILE_LEVELS; level++) {
    const hashes = levelWidth(level, size);
    const old = levelWidth(level, oldSize);
    if (hashes === old) return;
    for (let index = Math.floor(old / TILE_WIDTH); index * TILE_WIDTH < hashes; index++)
      yield { level, index, width: Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH) };
  }
}

/** The tiles at the right edge that are not full, by level. With no leaf there is none, and a level may have none. */
export function partialTiles(size: number): Tile[] {
  checkSize(size);
  const tiles: Tile[] = [];
  for (let level = 0; level < TILE_LEVELS; level++) {
    const hashes = levelWidth(level, size);
    const width = hashes % TILE_WIDTH;
    if (width > 0) tiles.push({ level, index: (hashes - width) / TILE_WIDTH, width });
  }
  return tiles;
}

/** @throws TlogError tlog_argument */
export function checkTile({ level, index, width }: Tile): void {
  expectArgument(
    Number.isInteger(level) && level >= 0 && level < TILE_LEVELS,
    `tile level: expected 0 to ${TILE_LEVELS - 1}`,
  );
  expectArgument(Number.isInteger(width) && width >= 1 && width <= TILE_WIDTH, 'tile width: expected 1 to 256');
  expectArgument(
    Number.isSafeInteger(index) && index >= 0 && (index * TILE_WIDTH + width) * TILE_WIDTH ** level <= MAX_SIZE,
    'tile index: beyond a tree of 2^53 - 1 leaves',
  );
}

export function encodeTile(hashes: readonly Hash[]): Buffer {
  expectArgument(hashes.length >= 1 && hashes.length <= TILE_WIDTH, 'a tile has 1 to 256 hashes');
  expectArgument(
    hashes.every(({ length }) => length === HASH_BYTES),
    'a hash has 32 bytes',
  );
  return Buffer.concat(hashes);
}

/** @throws TlogError tlog_malformed when the bytes are not `width` hashes */
export function decodeTile(bytes: Uint8Array, width: number): Hash[] {
  if (bytes.length !== width * HASH_BYTES)
    throw malformed(`a tile of width ${width} has ${width * HASH_BYTES} bytes, not ${bytes.length}`);
  return splitHashes(bytes);
}

import {
  bundlePath,
  decodeBundle,
  HASH_BYTES,
  MAX_BUNDLE_BYTES,
  MAX_NOTE_BYTES,
  MAX_TILE_BYTES,
  readCheckpoint,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  TlogError,
  type Tile,
} from '#tlog';
import { type TenantLog, type TrailLeaf } from '../../apps/gatekeeper/src/notary/core/index.js';
import { type Resources } from './resources.js';
import { sealedMonthOf, timeMonthOf } from './sealed-entry.js';

/** Bundles, and the tiles beneath them, that are asked for at a time. */
const AHEAD = 8;
/** Of all that were kept: more than of a hundred thousand. */
const MAX_CHECKPOINTS_BYTES = 100_000_000;

/** A log that is served, or lies in a folder, as C2SP tlog-tiles has it. Its events are the entries themselves. */
export class TiledLog implements TenantLog {
  private note: Buffer | null | undefined;
  private readonly tiles = new Map<number, Promise<Buffer | undefined>>();

  constructor(
    private readonly resources: Resources,
    /** Where all checkpoints are that were kept, a line of JSON each. */
    private readonly kept?: string,
  ) {}

  /** Is read once: a log grows meanwhile. */
  async latest(): Promise<Buffer | null> {
    this.note ??= (await this.resources.read('checkpoint', MAX_NOTE_BYTES)) ?? null;
    return this.note;
  }

  async *checkpoints(): AsyncGenerator<string | Uint8Array, void, void> {
    if (this.kept === undefined) {
      const latest = await this.latest();
      if (latest) yield latest;
      return;
    }
    const lines = (await this.resources.read(this.kept, MAX_CHECKPOINTS_BYTES))?.toString('utf8').split('\n') ?? [];
    // What is no line of ours is no checkpoint either, and is told as such.
    for (const line of lines) if (line !== '') yield noteIn(line);
  }

  async *leaves(): AsyncGenerator<TrailLeaf[], void, void> {
    const size = sizeOf(await this.latest());
    const bundles: Promise<Buffer | undefined>[] = [];
    const total = Math.ceil(size / TILE_WIDTH);
    for (let index = 0; index < total; index++) {
      for (let next = index + bundles.length; bundles.length < AHEAD && next < total; next++) {
        bundles.push(this.prefetch(this.bundle(next, tileWidth(0, next, size))));
        this.tiles.set(next, this.prefetch(this.tile({ level: 0, index: next, width: tileWidth(0, next, size) })));
      }
      const bytes = await bundles.shift()!;
      if (!bytes) return;
      yield leavesOf(bytes, index * TILE_WIDTH, tileWidth(0, index, size));
    }
  }

  async readTile(tile: Tile): Promise<Buffer | undefined> {
    const asked = tile.level === 0 ? this.tiles.get(tile.index) : undefined;
    if (asked) this.tiles.delete(tile.index);
    return asked ?? this.tile(tile);
  }

  /** A narrower tile may be gone once there is the full one, which begins with it. */
  private async tile(tile: Tile): Promise<Buffer | undefined> {
    const bytes = await this.resources.read(tilePath(tile), MAX_TILE_BYTES);
    if (bytes || tile.width === TILE_WIDTH) return bytes;
    const full = await this.resources.read(tilePath({ ...tile, width: TILE_WIDTH }), MAX_TILE_BYTES);
    return full?.subarray(0, tile.width * HASH_BYTES);
  }

  private async bundle(index: number, width: number): Promise<Buffer | undefined> {
    const bytes = await this.resources.read(bundlePath({ index, width }), MAX_BUNDLE_BYTES);
    if (bytes || width === TILE_WIDTH) return bytes;
    return this.resources.read(bundlePath({ index, width: TILE_WIDTH }), MAX_BUNDLE_BYTES);
  }

  /** Whoever stops reading does not wait for it. */
  private prefetch<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => undefined);
    return promise;
  }
}

function leavesOf(bytes: Buffer, first: number, width: number): TrailLeaf[] {
  const entries = entriesOf(bytes, width);
  if (!entries) return [{ index: first, entry: 'unreadable' }];
  return entries.map((entry, i) => {
    const sealed = sealedMonthOf(entry);
    if (sealed !== undefined) return { index: first + i, month: sealed, entry: { sealed } };
    return { index: first + i, month: timeMonthOf(entry), entry };
  });
}

/** The full bundle may have been given in place of a narrower one. */
function entriesOf(bytes: Buffer, width: number): Uint8Array[] | undefined {
  for (const count of [width, TILE_WIDTH])
    try {
      return decodeBundle(bytes, count).slice(0, width);
    } catch (error) {
      if (!(error instanceof TlogError)) throw error;
    }
  return undefined;
}

function sizeOf(note: Buffer | null): number {
  try {
    return note === null ? 0 : readCheckpoint(note).size;
  } catch {
    // The verification says what is wrong with it.
    return 0;
  }
}

function noteIn(line: string): string {
  try {
    const { note } = JSON.parse(line) as { note?: unknown };
    return typeof note === 'string' ? note : line;
  } catch {
    return line;
  }
}

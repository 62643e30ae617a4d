import { expectArgument, malformed } from '../errors.js';
import { TILE_WIDTH } from './tile.js';

/** What the two bytes before an entry can count. */
export const MAX_ENTRY_BYTES = 65_535;
const LENGTH_BYTES = 2;
export const MAX_BUNDLE_BYTES = TILE_WIDTH * (LENGTH_BYTES + MAX_ENTRY_BYTES);

/** C2SP tlog-tiles: each entry with its length before it, as u16, big-endian. */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  expectArgument(entries.length >= 1 && entries.length <= TILE_WIDTH, 'a bundle has 1 to 256 entries');
  expectArgument(
    entries.every(({ length }) => length <= MAX_ENTRY_BYTES),
    `an entry has at most ${MAX_ENTRY_BYTES} bytes`,
  );
  const total = entries.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0);
  const bundle = Buffer.allocUnsafe(total);
  let at = 0;
  for (const entry of entries) {
    at = bundle.writeUInt16BE(entry.length, at);
    bundle.set(entry, at);
    at += entry.length;
  }
  return bundle;
}

/** The entries, as views of the bytes. @throws TlogError tlog_malformed unless they are `width` entries and nothing else */
export function decodeBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  expectArgument(width >= 1 && width <= TILE_WIDTH, 'a bundle has 1 to 256 entries');
  const entries: Uint8Array[] = [];
  let at = 0;
  while (entries.length < width) {
    if (at + LENGTH_BYTES > bytes.length)
      throw malformed(`the bundle ends after ${entries.length} of ${width} entries`);
    const from = at + LENGTH_BYTES;
    at = from + bytes[at]! * 256 + bytes[at + 1]!;
    if (at > bytes.length) throw malformed(`the bundle ends within its entry ${entries.length}`);
    entries.push(bytes.subarray(from, at));
  }
  if (at < bytes.length) throw malformed(`the bundle goes on behind its ${width} entries`);
  return entries;
}

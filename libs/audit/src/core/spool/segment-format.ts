import { crc32c, viewOf } from './crc32c.js';

/**
 * The bytes of a spool segment: a header, then one frame after the other. All numbers are little-endian.
 *
 * header  0 "GRAVSPOL" | 8 u32 version | 12 u32 reserved | 16 u64 segment number | 24 u32 offset of the first frame |
 *         28 u32 its index | 32 28 bytes reserved | 60 u32 CRC-32C of bytes 0-59
 * frame   0 ff 47 52 56 | 4 u32 CRC-32C of all that follows | 8 u32 payload length | 12 u32 index in the segment, from 0 | 16 payload
 *
 * The first frame stands behind the header, unless what was there went back to the disk when that was full.
 *
 * A payload is an event as JSON in UTF-8. 0xff is no byte of UTF-8, so the mark of a frame cannot stand in a payload, and a reader that
 * hits damage finds the next frame by it. The index tells how many records the damage took.
 */
export const VERSION = 1;
export const HEADER_BYTES = 64;
export const FRAME_HEADER_BYTES = 16;
/** Well above the largest event that the contract allows, header included. */
export const MAX_FRAME_BYTES = 1024 * 1024;

const MAGIC = Buffer.from('GRAVSPOL', 'latin1');
const MARK = Buffer.from([0xff, 0x47, 0x52, 0x56]);
const MARK_WORD = MARK.readUInt32LE(0);

/** A segment that a newer release wrote: reading it would guess. */
export class SegmentVersionError extends Error {
  readonly code = 'spool_version';

  constructor(version: number) {
    super(
      `the segment has format version ${version}, and this release reads up to ${VERSION}: start the newer release`,
    );
    this.name = 'SegmentVersionError';
  }
}

/** Where the frames of a segment begin: bytes from the beginning of the file, and the index of the first of them. */
export interface Beginning {
  offset: number;
  index: number;
}

export function encodeHeader(segment: number, first: Beginning = { offset: HEADER_BYTES, index: 0 }): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(VERSION, 8);
  header.writeBigUInt64LE(BigInt(segment), 16);
  header.writeUInt32LE(first.offset, 24);
  header.writeUInt32LE(first.index, 28);
  header.writeUInt32LE(crc32c(viewOf(header), 0, 60), 60);
  return header;
}

/**
 * @returns undefined when it is not whole; the frames behind it are readable all the same
 * @throws SegmentVersionError when it is whole and of a newer format
 */
export function decodeHeader(bytes: Buffer, segment: number): Beginning | undefined {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (bytes.readUInt32LE(60) !== crc32c(viewOf(bytes), 0, 60)) return undefined;
  const version = bytes.readUInt32LE(8);
  if (version > VERSION) throw new SegmentVersionError(version);
  if (bytes.readBigUInt64LE(16) !== BigInt(segment)) return undefined;
  return { offset: bytes.readUInt32LE(24), index: bytes.readUInt32LE(28) };
}

/** The most bytes that a text can take as a frame. */
export function frameBound(payload: string): number {
  return FRAME_HEADER_BYTES + payload.length * 3;
}

/**
 * Writes a frame, for which `target` has room.
 *
 * @param view of the same bytes
 * @returns the offset behind it
 */
export function encodeFrame(target: Buffer, view: DataView, at: number, index: number, payload: string): number {
  const length = target.write(payload, at + FRAME_HEADER_BYTES, 'utf8');
  const end = at + FRAME_HEADER_BYTES + length;
  view.setUint32(at, MARK_WORD, true);
  view.setUint32(at + 8, length, true);
  view.setUint32(at + 12, index, true);
  view.setUint32(at + 4, crc32c(view, at + 8, end), true);
  return end;
}

/** A record's place in the bytes given: its payload is [from, end). */
export interface Frame {
  index: number;
  from: number;
  end: number;
}

/** A stretch [from, to) that is no frame, or (where from = to) a place where frames are missing; `lost` is how many records that took. */
export interface Damage {
  from: number;
  to: number;
  lost: number;
}

export interface Decoded {
  frames: Frame[];
  damages: Damage[];
  /** Up to where the bytes are understood: the next stretch begins here. */
  end: number;
}

/**
 * Reads frames from a stretch of a segment that begins with one.
 *
 * @param bytes longer than MAX_FRAME_BYTES unless the segment ends with them
 * @param index of the frame that should come first
 * @param last whether the segment ends with these bytes; otherwise frames that might be cut off are left for the next stretch
 */
export function decodeFrames(bytes: Buffer, index: number, last: boolean): Decoded {
  const view = viewOf(bytes);
  const limit = last ? bytes.length : bytes.length - MAX_FRAME_BYTES;
  const frames: Frame[] = [];
  const damages: Damage[] = [];
  let expected = index;
  let at = 0;
  while (at < limit) {
    const from = at;
    let frame = frameAt(view, at, expected);
    while (!frame && at < limit) {
      const mark = bytes.indexOf(MARK, at + 1);
      at = mark === -1 ? limit : Math.min(mark, limit);
      frame = at < limit ? frameAt(view, at, expected) : undefined;
    }
    // Where no frame follows yet, the one that will tells what is missing; where none can follow, it was at least one record.
    const lost = frame ? frame.index - expected : last ? 1 : 0;
    if (at > from || lost > 0) damages.push({ from, to: at, lost });
    if (!frame) break;
    frames.push(frame);
    expected = frame.index + 1;
    at = frame.end;
  }
  return { frames, damages, end: at };
}

/** @returns undefined when no whole frame begins here, or only one that was read already */
function frameAt(bytes: DataView, at: number, expected: number): Frame | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.byteLength || bytes.getUint32(at, true) !== MARK_WORD) return undefined;
  const end = at + FRAME_HEADER_BYTES + bytes.getUint32(at + 8, true);
  if (end > bytes.byteLength || bytes.getUint32(at + 4, true) !== crc32c(bytes, at + 8, end)) return undefined;
  const index = bytes.getUint32(at + 12, true);
  if (index < expected) return undefined;
  return { index, from: at + FRAME_HEADER_BYTES, end };
}

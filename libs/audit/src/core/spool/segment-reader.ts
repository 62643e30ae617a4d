import { type Position } from './cursor.js';
import { type Segment } from './segment.js';
import {
  decodeFrames,
  decodeHeader,
  FRAME_HEADER_BYTES,
  HEADER_BYTES,
  MAX_FRAME_BYTES,
  type Damage,
} from './segment-format.js';

const STRETCH_BYTES = 4 * MAX_FRAME_BYTES;

export interface StoredRecord {
  payload: string;
  /** As it stands in the file. */
  frame: Buffer;
  /** Of the frame, in bytes. */
  bytes: number;
  /** Where the next one begins. */
  next: Position;
}

/** A part of a segment that is no record, as it was found; empty where something is missing. */
export interface DamagedPart {
  at: Position;
  bytes: Buffer;
}

export interface Stretch {
  /** Where it begins. */
  from: Position;
  records: StoredRecord[];
  /** Where to read on. */
  next: Position;
  /** Records that should have been there, by their numbers. */
  lost: number;
  damaged: DamagedPart[];
}

/**
 * Reads the records of one segment from `from` on, a few MiB at a time.
 *
 * @throws SegmentVersionError, and what the file system throws
 */
export async function readStretch(segment: Segment, position: Position): Promise<Stretch> {
  const from = notBefore(segment, position);
  // As they are now: while this reads, more may be written.
  const { written, frames: total } = segment;
  const { offset } = from;
  const length = Math.min(Math.max(written - offset, 0), STRETCH_BYTES);
  const bytes = await segment.read(offset, length);
  // Shorter than it was when it was written or measured: somebody has cut it.
  const last = offset + length >= written || bytes.length < length;
  const { frames, damages, end } = decodeFrames(bytes, from.index, last);
  const place = (to: number, index: number): Position => ({ segment: segment.number, offset: offset + to, index });

  let previous = 0;
  const records = frames.map((frame) => {
    const record = {
      payload: bytes.toString('utf8', frame.from, frame.end),
      frame: bytes.subarray(frame.from - FRAME_HEADER_BYTES, frame.end),
      bytes: frame.end - previous,
      next: place(frame.end, frame.index + 1),
    };
    previous = frame.end;
    return record;
  });
  const understood = frames.length > 0 ? frames[frames.length - 1]!.index + 1 : from.index;
  const index = last ? Math.max(total, understood) : understood;
  if (index > understood && bytes.length < length)
    damages.push({ from: bytes.length, to: bytes.length, lost: index - understood });
  return {
    from,
    records,
    next: { segment: segment.number, offset: last ? written : offset + end, index },
    lost: index - from.index - frames.length,
    damaged: damages.map((part) => ({ at: place(part.from, from.index), bytes: bytes.subarray(part.from, part.to) })),
  };
}

/**
 * Finds out how many records a segment of an earlier run holds from `from` on, damaged ones included, and notes it in the segment.
 *
 * @returns how many can be read, and how many cannot
 * @throws SegmentVersionError, and what the file system throws
 */
export async function surveySegment(segment: Segment, position: Position): Promise<{ records: number; lost: number }> {
  segment.measure();
  // A header that is not whole is damage like any other: where the first frame stands, its mark tells.
  segment.first = decodeHeader(await segment.read(0, HEADER_BYTES), segment.number) ?? { offset: 0, index: 0 };
  const from = notBefore(segment, position);
  let { offset, index } = from;
  let records = 0;
  const damages: Damage[] = [];
  for (let last = offset >= segment.written; !last;) {
    const length = Math.min(segment.written - offset, STRETCH_BYTES);
    const bytes = await segment.read(offset, length);
    last = offset + length === segment.written || bytes.length < length;
    const decoded = decodeFrames(bytes, index, last);
    records += decoded.frames.length;
    const newest = decoded.frames.at(-1);
    if (newest) index = newest.index + 1;
    damages.push(...decoded.damages);
    offset += decoded.end;
  }
  const lost = damages.reduce((sum, damage) => sum + damage.lost, 0);
  segment.frames = from.index + records + lost;
  return { records, lost };
}

/** What stood before the first frame went back to the disk, or is the header. */
function notBefore({ first }: Segment, position: Position): Position {
  return position.offset < first.offset ? { segment: position.segment, ...first } : position;
}

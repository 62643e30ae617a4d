import { crc32c, viewOf } from './crc32c.js';
import { readFully, writeFully, type SpoolFiles } from './spool-files.js';

/** A place in the spool: everything before it is settled. */
export interface Position {
  segment: number;
  /** Bytes from the beginning of the segment. */
  offset: number;
  /** Frames before it in the segment. */
  index: number;
}

const MAGIC = Buffer.from('GCUR', 'latin1');
const SLOT_BYTES = 32;

/**
 * Up to where the spool is acknowledged, in a file of two slots that are overwritten in turn: a write that is torn leaves the other
 * one, and no write needs room on the disk. It may lag behind (a crash, a disk that refuses); the sink then knows the events that
 * come again by their ids.
 *
 * slot  0 "GCUR" | 4 u64 generation | 12 u64 segment | 20 u32 offset | 24 u32 index | 28 u32 CRC-32C of bytes 0-27
 */
export class Cursor {
  private generation = 0n;
  private last: Position = { segment: 0, offset: 0, index: 0 };

  private constructor(
    private readonly files: SpoolFiles,
    private readonly fd: number,
  ) {}

  /** Reads the cursor, or makes it. @throws what the file system throws */
  static async open(files: SpoolFiles, path: string): Promise<Cursor> {
    const cursor = new Cursor(files, files.openSync(path, true));
    try {
      const slots = Buffer.alloc(2 * SLOT_BYTES);
      const bytes = await readFully(files, cursor.fd, slots, 0);
      for (const at of [0, SLOT_BYTES]) cursor.consider(slots.subarray(at, at + SLOT_BYTES));
      // Both slots take their room on the disk now.
      if (bytes < slots.length) writeFully(files, cursor.fd, slots, 0);
      return cursor;
    } catch (error) {
      await cursor.close().catch(() => undefined);
      throw error;
    }
  }

  /** Segment 0 when nothing was ever acknowledged. */
  get position(): Position {
    return this.last;
  }

  /** @throws what the file system throws; the position is kept in memory all the same */
  moveTo(position: Position): void {
    this.last = position;
    const slot = Buffer.alloc(SLOT_BYTES);
    MAGIC.copy(slot);
    slot.writeBigUInt64LE(++this.generation, 4);
    slot.writeBigUInt64LE(BigInt(position.segment), 12);
    slot.writeUInt32LE(position.offset, 20);
    slot.writeUInt32LE(position.index, 24);
    slot.writeUInt32LE(crc32c(viewOf(slot), 0, 28), 28);
    writeFully(this.files, this.fd, slot, this.generation % 2n === 0n ? 0 : SLOT_BYTES);
  }

  close(): Promise<void> {
    return this.files.close(this.fd);
  }

  private consider(slot: Buffer): void {
    if (!slot.subarray(0, MAGIC.length).equals(MAGIC) || slot.readUInt32LE(28) !== crc32c(viewOf(slot), 0, 28)) return;
    const generation = slot.readBigUInt64LE(4);
    if (generation <= this.generation) return;
    this.generation = generation;
    this.last = {
      segment: Number(slot.readBigUInt64LE(12)),
      offset: slot.readUInt32LE(20),
      index: slot.readUInt32LE(24),
    };
  }
}

import { viewOf } from './crc32c.js';
import { type Position } from './cursor.js';
import { Segment } from './segment.js';
import { encodeFrame, encodeHeader, frameBound, HEADER_BYTES } from './segment-format.js';
import { type SpoolFiles } from './spool-files.js';

/** A buffer that one large turn made is not kept. */
const KEPT_BUFFER_BYTES = 4 * 1024 * 1024;
const FIRST_BUFFER_BYTES = 256 * 1024;

interface Chunk {
  segment: Segment;
  position: number;
  bytes: Buffer;
}

/**
 * Encodes records into a buffer, and writes the buffer to the end of the newest segment.
 * Where a record will stand is settled when it is encoded, and never changes: a write or a sync that fails is made good by writing the
 * same bytes at the same place again, whatever part of them had arrived.
 */
export class SpoolWriter {
  private active: Segment | undefined;
  private buffer: Buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  private view = viewOf(this.buffer);
  private length = 0;
  /** Where in the active segment the buffer belongs. */
  private start = 0;
  /** Records of the active segment, with those in the buffer. */
  private frames = 0;
  private failed = false;
  /** Written to, and not known to be on the disk. */
  private dirty = new Set<Segment>();
  /** What was written to them; only kept when `keepsUntilSynced`. */
  private unsynced: Chunk[] = [];
  /** Of those, in bytes. */
  unsyncedBytes = 0;
  private syncing: Promise<void> = Promise.resolve();

  /**
   * @param onSegment told of each new segment before anything is written to it
   * @param keepsUntilSynced after a failed sync nobody can say what is on the disk: keeping what was written lets it be written again
   */
  constructor(
    private readonly files: SpoolFiles,
    private readonly directory: string,
    private readonly segmentBytes: number,
    private nextNumber: number,
    private readonly keepsUntilSynced: boolean,
    private readonly onSegment: (segment: Segment) => void,
  ) {}

  get bufferedBytes(): number {
    return this.length;
  }

  /** Records that were appended and are not in the file. */
  get bufferedRecords(): number {
    return this.frames - (this.active?.frames ?? this.frames);
  }

  /** Of the active segment, with what is buffered for it. */
  get activeBytes(): number {
    return (this.active?.bytes ?? 0) + this.length;
  }

  isActive(segment: Segment): boolean {
    return segment === this.active;
  }

  /** Where the next record will stand, or the newest one ends. */
  get end(): Position {
    const { active } = this;
    if (!active) return { segment: this.nextNumber, offset: 0, index: 0 };
    return { segment: active.number, offset: this.start + this.length, index: this.frames };
  }

  /** Encodes a record. It is in no file before `write`. */
  append(payload: string): void {
    if (!this.active || (this.length === 0 && this.start >= this.segmentBytes)) this.begin();
    this.reserve(frameBound(payload));
    this.length = encodeFrame(this.buffer, this.view, this.length, this.frames++, payload);
  }

  /**
   * Writes what is buffered. When it throws, everything stays buffered for the next call.
   *
   * @param settled up to where the sink has everything: when the disk was full, what lies before that is given back to it first
   * @throws what the file system throws
   */
  write(settled: Position): void {
    const { active } = this;
    if (!active) return;
    try {
      if (this.failed) this.repair(active, settled);
      if (this.length > 0) this.writeBuffer(active);
      this.failed = false;
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }

  /**
   * Resolves when everything that was written before the call is on the disk. One runs at a time.
   *
   * @param settled as for `write`
   * @throws what the file system throws
   */
  sync(settled: Position): Promise<void> {
    const sync = this.syncing.then(() => this.syncAll(settled));
    this.syncing = sync.catch(() => undefined);
    return sync;
  }

  /** Lets go of the active segment when the sink has all of it and it is large enough to be worth it. @returns whether it did */
  retire(settled: Position): boolean {
    const { active } = this;
    if (!active || this.length > 0 || this.start < this.segmentBytes / 2 || !covers(settled, active, this.start))
      return false;
    this.active = undefined;
    return true;
  }

  private async syncAll(settled: Position): Promise<void> {
    // The kernel reports a failure once, and calls the pages clean: a second sync of the same bytes would succeed without writing them.
    if (this.failed) this.write(settled);
    const chunks = new Set(this.unsynced);
    const segments = this.dirty;
    this.dirty = new Set();
    try {
      for (const segment of segments) await this.syncSegment(segment);
    } catch (error) {
      for (const segment of segments) this.dirty.add(segment);
      this.failed = true;
      throw error;
    }
    this.keep(this.unsynced.filter((chunk) => !chunks.has(chunk)));
  }

  private begin(): void {
    for (const segment of this.dirty) if (segment.removed) this.dirty.delete(segment);
    // In use until it is synced, where it will be.
    if (!this.keepsUntilSynced) this.active?.rest();
    const segment = new Segment(this.files, this.directory, this.nextNumber++);
    this.active = segment;
    this.onSegment(segment);
    this.start = 0;
    this.frames = 0;
    this.length = encodeHeader(segment.number).copy(this.buffer);
  }

  private writeBuffer(active: Segment): void {
    const bytes = this.buffer.subarray(0, this.length);
    active.write(bytes, this.start);
    active.frames = this.frames;
    this.dirty.add(active);
    if (this.keepsUntilSynced) {
      this.unsynced.push({ segment: active, position: this.start, bytes: Buffer.from(bytes) });
      this.unsyncedBytes += bytes.length;
    }
    this.start += this.length;
    this.length = 0;
    if (this.buffer.length > KEPT_BUFFER_BYTES) this.use(Buffer.allocUnsafe(FIRST_BUFFER_BYTES));
  }

  private async syncSegment(segment: Segment): Promise<void> {
    // What the sink has need not be on this disk too.
    if (segment.removed) return;
    await segment.datasync();
    if (!segment.named) await this.files.syncDirectory(this.directory);
    segment.named = true;
    if (!this.isActive(segment)) segment.rest();
  }

  private repair(active: Segment, settled: Position): void {
    if (this.start > active.first.offset && covers(settled, active, this.start)) {
      active.free({ offset: this.start, index: active.frames });
      this.keep([]);
    }
    if (active.first.offset > HEADER_BYTES) active.write(encodeHeader(active.number, active.first), 0);
    for (const { segment, position, bytes } of this.unsynced) if (!segment.removed) segment.write(bytes, position);
  }

  private keep(chunks: Chunk[]): void {
    this.unsynced = chunks;
    this.unsyncedBytes = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.use(larger);
  }

  private use(buffer: Buffer): void {
    this.buffer = buffer;
    this.view = viewOf(buffer);
  }
}

function covers(settled: Position, segment: Segment, offset: number): boolean {
  return settled.segment > segment.number || (settled.segment === segment.number && settled.offset >= offset);
}

import { join } from 'node:path';
import { type AuditLog } from '../audit-log.js';
import { Cursor, type Position } from './cursor.js';
import { Segment } from './segment.js';
import { readStretch, surveySegment, type DamagedPart, type StoredRecord, type Stretch } from './segment-reader.js';
import { makeLastingDirectory, nodeFiles, writeFully, type SpoolFiles } from './spool-files.js';
import { SpoolLock } from './spool-lock.js';
import { SpoolWriter } from './spool-writer.js';

const MIN_SEGMENT_BYTES = 256 * 1024;
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;
/** Of the whole spool: what a segment that is not yet acknowledged to its end may waste, and what it wastes at most in a small spool. */
const SEGMENT_SHARE = 1 / 64;
const MAX_SEGMENT_SHARE = 1 / 4;
/** What was written and is not known to be on the disk is kept in memory too, so it is bounded as well. */
const MAX_UNSYNCED_BYTES = 64 * 1024 * 1024;

export interface SpoolOptions {
  directory: string;
  /** Whose spool it is, for whoever finds it held. */
  service: string;
  /** Of all segments together. */
  maxBytes: number;
  /** Whether `sync` will be called after writes. */
  synced: boolean;
  log: AuditLog;
  files?: SpoolFiles | undefined;
}

/**
 * The write-ahead log of the audit logger: append-only segments in a directory that one process holds, acknowledged up to a cursor,
 * and deleted behind it. Records are texts; what they mean is the logger's business. README.md has the format and what it promises.
 */
export class Spool {
  /** Records that an earlier run left; those that are damaged are among them. */
  readonly left: { records: number; from: Position };
  private readonly writer: SpoolWriter;
  private readonly segments = new Map<number, Segment>();
  private cursorWorks = true;
  private removalWorks = true;
  private closing: Promise<void> | undefined;
  /** Damaged places that were told of, and what was there kept aside. */
  private readonly knownDamage = new Set<string>();
  private readonly removals = new Set<Promise<void>>();
  /** Of the segments that are not written to any more: changes seldom, is asked for with every record. */
  private restingBytes = 0;

  private constructor(
    private readonly options: Required<SpoolOptions>,
    private readonly lock: SpoolLock,
    private readonly cursor: Cursor,
    earlier: readonly Segment[],
    records: number,
  ) {
    for (const segment of earlier) this.segments.set(segment.number, segment);
    this.left = { records, from: cursor.position };
    const { directory, maxBytes, files, synced } = options;
    const share = Math.min(Math.max(maxBytes * SEGMENT_SHARE, MIN_SEGMENT_BYTES), maxBytes * MAX_SEGMENT_SHARE);
    const segmentBytes = Math.min(share, MAX_SEGMENT_BYTES);
    const next = Math.max(cursor.position.segment, ...this.segments.keys()) + 1;
    this.writer = new SpoolWriter(files, directory, segmentBytes, next, synced, (segment) => {
      this.segments.set(segment.number, segment);
      this.measure();
    });
    this.measure();
  }

  /**
   * Takes the directory, made if need be, and finds out what an earlier run left in it.
   *
   * @throws SpoolHeldError when another process has it, SegmentVersionError when a newer release wrote it, and what the file system throws
   */
  static async open(given: SpoolOptions): Promise<Spool> {
    const options = { ...given, files: given.files ?? nodeFiles };
    const { directory, service, files } = options;
    await makeLastingDirectory(files, directory);
    const lock = await SpoolLock.take(directory, service);
    const segments: Segment[] = [];
    let cursor: Cursor | undefined;
    try {
      cursor = await Cursor.open(files, join(directory, 'cursor'));
      const records = await survey(directory, cursor.position, files, segments);
      return new Spool(options, lock, cursor, segments, records);
    } catch (error) {
      await Promise.allSettled([...segments, ...(cursor ? [cursor] : [])].map((file) => file.close()));
      lock.release();
      throw error;
    }
  }

  /** Of all segments, with what is buffered for the newest. */
  get bytes(): number {
    let bytes = this.writer.bufferedBytes;
    for (const segment of this.segments.values()) bytes += segment.bytes;
    return bytes;
  }

  /** Whether `more` bytes fit into the bound. */
  hasRoom(more: number): boolean {
    if (this.waitsForDisk) return false;
    return this.restingBytes + this.writer.activeBytes + more <= this.options.maxBytes;
  }

  /** Whether so much is written and not known to be on the disk that no more is taken. */
  get waitsForDisk(): boolean {
    return this.writer.unsyncedBytes > MAX_UNSYNCED_BYTES;
  }

  get bufferedBytes(): number {
    return this.writer.bufferedBytes;
  }

  /** Records that were appended and are not in the file. */
  get bufferedRecords(): number {
    return this.writer.bufferedRecords;
  }

  /** Behind the newest record. */
  get end(): Position {
    return this.writer.end;
  }

  /** Encodes a record into memory, behind the newest; `write` brings it into the file. */
  append(payload: string): void {
    this.writer.append(payload);
  }

  /** Brings everything that was appended into the file: it survives the end of this process then. @throws what the file system throws */
  write(): void {
    this.writer.write(this.cursor.position);
    // The sink may have had all of it before it was in the file; then no further acknowledgement comes.
    if (this.retire(this.cursor.position)) this.removeUpTo(this.cursor.position);
  }

  /** Resolves when everything written before the call is on the disk: it survives the loss of power then. @throws what the file system throws */
  sync(): Promise<void> {
    return this.writer.sync(this.cursor.position);
  }

  /**
   * Reads the records from a position on; damaged parts are kept aside in files before this resolves.
   *
   * @returns no records and the same position when there is nothing behind it in the files
   * @throws what the file system throws
   */
  async read(from: Position): Promise<Stretch> {
    const segment = this.segments.get(from.segment);
    if (!segment || (from.offset >= segment.written && !this.writer.isActive(segment))) {
      const following = [...this.segments.keys()].filter((number) => number > from.segment);
      if (following.length === 0) return nothingBehind(from);
      return this.read({ segment: Math.min(...following), offset: 0, index: 0 });
    }
    if (from.offset >= segment.written) return nothingBehind(from);
    const stretch = await readStretch(segment, from);
    if (stretch.next.offset >= segment.written && !this.writer.isActive(segment)) segment.rest();
    await this.keepAside(stretch.damaged, stretch.lost, segment.path);
    return stretch;
  }

  /** A record that is whole, and that its reader cannot make anything of, is kept aside like a damaged one. @throws what the file system throws */
  async reject({ frame, next }: StoredRecord): Promise<void> {
    const at = { segment: next.segment, offset: next.offset - frame.length, index: next.index - 1 };
    await this.keepAside([{ at, bytes: frame }], 1, this.segments.get(at.segment)?.path ?? '');
  }

  /** Everything before `position` is in the sink: it will not be read again, and its files go. Never throws. */
  acknowledge(position: Position): void {
    if (this.closing) return;
    try {
      this.cursor.moveTo(position);
      this.cursorWorks = true;
    } catch (error) {
      if (this.cursorWorks)
        this.options.log.warn(
          { err: error },
          'audit: the spool cannot note what is delivered; a restart would deliver some events again, which adds nothing twice',
        );
      this.cursorWorks = false;
    }
    this.retire(position);
    this.removeUpTo(position);
  }

  /** Frees the directory. What is in the files stays there for the next run. Twice is the same as once. */
  close(): Promise<void> {
    this.closing ??= this.free();
    return this.closing;
  }

  private async free(): Promise<void> {
    await Promise.all(this.removals);
    // Everything was written, or its loss was told: that a file does not close well changes nothing of it.
    await Promise.allSettled([...this.segments.values(), this.cursor].map((file) => file.close()));
    this.lock.release();
  }

  private retire(settled: Position): boolean {
    const retired = this.writer.retire(settled);
    if (retired) this.measure();
    return retired;
  }

  private removeUpTo(position: Position): void {
    for (const segment of this.segments.values()) {
      const done =
        segment.number < position.segment ||
        (segment.number === position.segment && position.offset >= segment.written);
      if (done && !this.writer.isActive(segment)) this.remove(segment);
    }
  }

  private measure(): void {
    this.restingBytes = 0;
    for (const segment of this.segments.values())
      if (!this.writer.isActive(segment)) this.restingBytes += segment.bytes;
  }

  private remove(segment: Segment): void {
    const removal = segment
      .remove()
      .then(() => {
        this.removalWorks = true;
        this.segments.delete(segment.number);
        this.measure();
      })
      .catch((error: unknown) => {
        // It is behind the cursor, and goes with the next acknowledgement or at the next start.
        if (this.removalWorks)
          this.options.log.warn({ err: error, file: segment.path }, 'audit: a delivered segment cannot be removed');
        this.removalWorks = false;
      })
      .finally(() => this.removals.delete(removal));
    this.removals.add(removal);
  }

  /** The same stretch may be read several times, when memory has no room for all of it. */
  private async keepAside(damaged: readonly DamagedPart[], lost: number, file: string): Promise<void> {
    const { directory, files, log } = this.options;
    const folder = join(directory, 'damaged');
    const fresh = damaged.filter(({ at }) => !this.knownDamage.has(nameOf(at)));
    if (fresh.length === 0) return;
    await makeLastingDirectory(files, folder);
    for (const { at, bytes } of fresh) {
      // Named by its place, so that reading it again after a crash does not keep it twice.
      if (bytes.length > 0) await writeFile(files, join(folder, nameOf(at)), bytes);
      this.knownDamage.add(nameOf(at));
    }
    log.warn({ file, records: lost, folder }, 'audit: the spool is damaged; what cannot be read is kept aside');
  }
}

function nameOf({ segment, offset }: Position): string {
  return `${segment}-${offset}.bin`;
}

/** @throws what the file system throws */
async function writeFile(files: SpoolFiles, path: string, bytes: Uint8Array): Promise<void> {
  const fd = files.openSync(path, true);
  try {
    writeFully(files, fd, bytes, 0);
    await files.datasync(fd);
  } finally {
    await files.close(fd);
  }
}

function nothingBehind(from: Position): Stretch {
  return { from, records: [], next: from, lost: 0, damaged: [] };
}

/**
 * What is behind the cursor goes; the rest is added to `segments`, also when this throws.
 *
 * @returns how many records that is, damaged ones included
 */
async function survey(directory: string, cursor: Position, files: SpoolFiles, segments: Segment[]): Promise<number> {
  const numbers = (await files.list(directory)).map((name) => Segment.numberOf(name)).filter((n) => n !== undefined);
  let records = 0;
  for (const number of numbers.sort((a, b) => a - b)) {
    const segment = new Segment(files, directory, number);
    if (number < cursor.segment) {
      await segment.remove();
      continue;
    }
    segments.push(segment);
    const found = await surveySegment(
      segment,
      number === cursor.segment ? cursor : { segment: number, offset: 0, index: 0 },
    );
    records += found.records + found.lost;
    segment.rest();
    if (found.records + found.lost > 0) continue;
    await segment.remove();
    segments.pop();
  }
  return records;
}

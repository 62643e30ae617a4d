import { microsecondsSince2000, writeText, writeUuid } from './copy-values.js';

/**
 * Rows in PostgreSQL's binary COPY format.
 * Source: PostgreSQL documentation, COPY, "Binary Format"; the field formats are those of each type's send/receive functions.
 */

export type CopyType = 'uuid' | 'text' | 'timestamptz' | 'jsonb' | 'float8' | 'int4' | 'int8' | 'bool' | 'bytea';
export type CopyValue = string | number | bigint | boolean | Date | object | null | undefined;
/** A row's values, in the order of the columns or by their names. */
export type CopyRow = readonly CopyValue[] | Readonly<Record<string, CopyValue>>;
/** Names and types, in the order in which they are sent. */
export type CopyColumns = Readonly<Record<string, CopyType>>;

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const FLAGS_AND_EXTENSION_LENGTH = 8;
const JSONB_VERSION = 1;
const TWO_TO_32 = 2 ** 32;
/** Enough that a transfer is busy with bytes, few enough that encoding them takes less than a millisecond. */
const CHUNK_BYTES = 64 * 1024;

/**
 * The rows with header and trailer, encoded as they are asked for, in chunks of about 64 KiB. Each chunk is valid until the next one is
 * asked for: they share a buffer.
 *
 * @throws TypeError or RangeError when a value does not fit its column's type, or the number of values differs from that of the columns
 */
export function* copyChunks(columns: CopyColumns, rows: Iterable<CopyRow>): Generator<Uint8Array, void, void> {
  const encoder = new CopyBinaryEncoder(columns);
  for (const row of rows) {
    encoder.row(row);
    if (encoder.length >= CHUNK_BYTES) yield encoder.take();
  }
  encoder.trailer();
  yield encoder.take();
}

/** Writes rows into a buffer that grows with the largest of them, and that is used again after each `take`. */
class CopyBinaryEncoder {
  private readonly names: readonly string[];
  private readonly indices: readonly number[];
  private readonly types: readonly CopyType[];
  private buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES * 2);
  private view = viewOf(this.buffer);
  private position: number;

  constructor(columns: CopyColumns) {
    this.names = Object.keys(columns);
    this.indices = [...this.names.keys()];
    this.types = Object.values(columns);
    this.position = SIGNATURE.copy(this.buffer);
    this.buffer.fill(0, this.position, this.position + FLAGS_AND_EXTENSION_LENGTH);
    this.position += FLAGS_AND_EXTENSION_LENGTH;
  }

  /** Bytes since the last `take`. */
  get length(): number {
    return this.position;
  }

  /** What was written since the last time. It is overwritten by what is written next. */
  take(): Uint8Array {
    const taken = this.buffer.subarray(0, this.position);
    this.position = 0;
    return taken;
  }

  row(row: CopyRow): void {
    const { types } = this;
    const isArray = Array.isArray(row);
    if (isArray && row.length !== types.length)
      throw new TypeError(`expected ${types.length} values, got ${row.length}`);
    const keys = (isArray ? this.indices : this.names) as readonly string[];
    const values = row as Readonly<Record<string, CopyValue>>;
    this.reserve(2);
    this.int16(types.length);
    for (let i = 0; i < types.length; i++) this.field(types[i]!, values[keys[i]!]);
  }

  trailer(): void {
    this.reserve(2);
    this.int16(-1);
  }

  private field(type: CopyType, value: CopyValue): void {
    if (value === null || value === undefined) {
      this.reserve(4);
      this.int32(-1);
      return;
    }
    switch (type) {
      case 'text':
        return this.text(textOf(value));
      case 'jsonb':
        return this.jsonb(JSON.stringify(value));
      case 'uuid':
        this.header(16);
        writeUuid(textOf(value), this.buffer, this.position);
        this.position += 16;
        return;
      case 'timestamptz':
        return this.int64(microsecondsSince2000(value instanceof Date ? value : textOf(value)));
      case 'int8':
        return this.int64(value as number | bigint);
      case 'int4':
        this.header(4);
        // Not as `int32` does it: this one refuses what does not fit.
        this.position = this.buffer.writeInt32BE(value as number, this.position);
        return;
      case 'float8':
        this.header(8);
        this.view.setFloat64(this.position, value as number);
        this.position += 8;
        return;
      case 'bytea':
        return this.bytes(value);
      case 'bool':
        this.header(1);
        this.buffer[this.position++] = value ? 1 : 0;
        return;
    }
  }

  private text(value: string): void {
    this.reserve(4 + value.length * 3);
    const written = writeText(value, this.buffer, this.position + 4);
    this.int32(written);
    this.position += written;
  }

  private jsonb(json: string): void {
    this.reserve(5 + json.length * 3);
    const written = writeText(json, this.buffer, this.position + 5);
    this.int32(1 + written);
    this.buffer[this.position++] = JSONB_VERSION;
    this.position += written;
  }

  private bytes(value: CopyValue): void {
    if (!(value instanceof Uint8Array)) throw new TypeError(`expected bytes, got ${typeof value}`);
    this.header(value.length);
    this.buffer.set(value, this.position);
    this.position += value.length;
  }

  /** Two halves where a number is exact: a bigint costs ten times as much. */
  private int64(value: number | bigint): void {
    this.header(8);
    if (typeof value === 'number' && Number.isSafeInteger(value)) {
      this.int32(Math.floor(value / TWO_TO_32));
      this.int32(value | 0);
    } else this.position = this.buffer.writeBigInt64BE(BigInt(value), this.position);
  }

  private header(length: number): void {
    this.reserve(4 + length);
    this.int32(length);
  }

  private int32(value: number): void {
    this.view.setInt32(this.position, value);
    this.position += 4;
  }

  private int16(value: number): void {
    this.view.setInt16(this.position, value);
    this.position += 2;
  }

  private reserve(bytes: number): void {
    if (this.position + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.position + bytes));
    this.buffer.copy(larger, 0, 0, this.position);
    this.buffer = larger;
    this.view = viewOf(larger);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function textOf(value: CopyValue): string {
  if (typeof value !== 'string') throw new TypeError(`expected text, got ${typeof value}`);
  return value;
}

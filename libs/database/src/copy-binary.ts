/**
 * Rows in PostgreSQL's binary COPY format.
 * Source: PostgreSQL documentation, COPY, "Binary Format"; the field formats are those of each type's send/receive functions.
 */

export type CopyType = 'uuid' | 'text' | 'timestamptz' | 'jsonb' | 'float8' | 'int4' | 'int8' | 'bool';
export type CopyValue = string | number | bigint | boolean | Date | object | null | undefined;

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const FLAGS_AND_EXTENSION_LENGTH = 8;
/** Microseconds between the Unix epoch and PostgreSQL's, 2000-01-01. */
const EPOCH_OFFSET_US = 946_684_800_000_000n;

/** Collects rows into one growing buffer. Not reusable after `finish()`. */
export class CopyBinaryEncoder {
  private buffer: Buffer;
  private position: number;

  constructor(
    private readonly types: readonly CopyType[],
    initialBytes = 64 * 1024,
  ) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
    this.position = SIGNATURE.copy(this.buffer);
    this.buffer.fill(0, this.position, this.position + FLAGS_AND_EXTENSION_LENGTH);
    this.position += FLAGS_AND_EXTENSION_LENGTH;
  }

  /** @throws TypeError when a value does not fit its column's type, or the number of values differs from that of columns */
  row(values: readonly CopyValue[]): void {
    if (values.length !== this.types.length)
      throw new TypeError(`expected ${this.types.length} values, got ${values.length}`);
    this.reserve(2);
    this.position = this.buffer.writeInt16BE(values.length, this.position);
    for (let i = 0; i < values.length; i++) this.field(this.types[i]!, values[i]);
  }

  /** The whole of it, with the trailer. */
  finish(): Buffer {
    this.reserve(2);
    this.position = this.buffer.writeInt16BE(-1, this.position);
    return this.buffer.subarray(0, this.position);
  }

  private field(type: CopyType, value: CopyValue): void {
    if (value === null || value === undefined) {
      this.reserve(4);
      this.position = this.buffer.writeInt32BE(-1, this.position);
      return;
    }
    switch (type) {
      case 'text':
        return this.text(textOf(value), 0);
      case 'jsonb':
        return this.text(JSON.stringify(value), 1);
      case 'uuid':
        return this.uuid(textOf(value));
      case 'timestamptz':
        return this.int64(toMicroseconds(value) - EPOCH_OFFSET_US);
      case 'int8':
        return this.int64(BigInt(value as number | bigint));
      case 'int4':
        this.header(4);
        this.position = this.buffer.writeInt32BE(value as number, this.position);
        return;
      case 'float8':
        this.header(8);
        this.position = this.buffer.writeDoubleBE(value as number, this.position);
        return;
      case 'bool':
        this.header(1);
        this.buffer[this.position++] = value ? 1 : 0;
        return;
    }
  }

  /** @param version 1 for jsonb, which starts with a version byte; 0 for none */
  private text(value: string, version: 0 | 1): void {
    this.reserve(4 + version + value.length * 3);
    const lengthAt = this.position;
    this.position += 4;
    if (version === 1) this.buffer[this.position++] = 1;
    this.position += this.buffer.write(value, this.position, 'utf8');
    this.buffer.writeInt32BE(this.position - lengthAt - 4, lengthAt);
  }

  private uuid(value: string): void {
    const hex = value.replaceAll('-', '');
    this.header(16);
    const written = hex.length === 32 ? this.buffer.write(hex, this.position, 'hex') : 0;
    if (written !== 16) throw new TypeError(`not a UUID: ${value.slice(0, 50)}`);
    this.position += 16;
  }

  private int64(value: bigint): void {
    this.header(8);
    this.position = this.buffer.writeBigInt64BE(value, this.position);
  }

  private header(length: number): void {
    this.reserve(4 + length);
    this.position = this.buffer.writeInt32BE(length, this.position);
  }

  private reserve(bytes: number): void {
    if (this.position + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.position + bytes));
    this.buffer.copy(larger, 0, 0, this.position);
    this.buffer = larger;
  }
}

/** Microseconds since the Unix epoch of a Date or an RFC 3339 time, whose fraction may have more digits than a Date keeps. */
export function toMicroseconds(value: CopyValue): bigint {
  if (value instanceof Date) return BigInt(value.getTime()) * 1000n;
  const text = textOf(value);
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) throw new TypeError(`not a time: ${text.slice(0, 50)}`);
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return BigInt(milliseconds) * 1000n + BigInt(fraction.padEnd(6, '0').slice(3, 6) || '0');
}

function textOf(value: CopyValue): string {
  if (typeof value !== 'string') throw new TypeError(`expected text, got ${typeof value}`);
  return value;
}

import { randomFillSync } from 'node:crypto';

const RANDOM_BYTES = 10;
/** Of how many ids the random bytes are fetched at a time. */
const BATCH = 400;
const HEX = Buffer.from('0123456789abcdef', 'latin1');

/**
 * UUIDs of version 7: milliseconds since 1970, then 74 random bits.
 * Source: RFC 9562, section 5.7. The text is written into a buffer of which only what changes is written anew, and read from it in one
 * piece: half the time of `randomUUIDv7`, and a text that later steps need not put together first.
 */
export class EventIds {
  private readonly text = Buffer.from('00000000-0000-7000-8000-000000000000', 'latin1');
  private readonly random = new Uint8Array(RANDOM_BYTES * BATCH);
  private used = this.random.length;
  private ms = 0;

  /** @param now the system's clock, in whole milliseconds since 1970 */
  constructor(private readonly now: () => number = Date.now) {}

  next(): string {
    const ms = this.now();
    if (ms !== this.ms) this.writeTime(ms);
    if (this.used === this.random.length) this.fetch();
    const { random, used } = this;
    this.writeByte(14, 0x70 | (random[used]! & 0x0f));
    this.writeByte(16, random[used + 1]!);
    this.writeByte(19, 0x80 | (random[used + 2]! & 0x3f));
    this.writeByte(21, random[used + 3]!);
    for (let i = 0; i < 6; i++) this.writeByte(24 + 2 * i, random[used + 4 + i]!);
    this.used += RANDOM_BYTES;
    return this.text.toString('latin1');
  }

  private writeTime(ms: number): void {
    this.ms = ms;
    const digits = ms.toString(16).padStart(12, '0');
    this.text.write(digits.slice(0, 8), 0, 'latin1');
    this.text.write(digits.slice(8), 9, 'latin1');
  }

  private writeByte(at: number, byte: number): void {
    this.text[at] = HEX[byte >>> 4]!;
    this.text[at + 1] = HEX[byte & 15]!;
  }

  private fetch(): void {
    randomFillSync(this.random);
    this.used = 0;
  }
}

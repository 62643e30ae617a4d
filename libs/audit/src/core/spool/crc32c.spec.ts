import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { crc32c, viewOf } from './crc32c.js';

/** One bit at a time, as the definition has it. */
function slowly(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

describe('crc32c', () => {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  it.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['32 incrementing bytes', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['32 decrementing bytes', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
  ])('knows the published value of %s', (_name, bytes, expected) => {
    expect(crc32c(viewOf(bytes))).toBe(expected);
  });

  it('agrees with the definition on any part of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), fc.nat(20), (bytes, before, after) => {
        const framed = Uint8Array.from([...Array<number>(before).fill(7), ...bytes, ...Array<number>(after).fill(9)]);
        expect(crc32c(viewOf(framed), before, before + bytes.length)).toBe(slowly(bytes));
      }),
    );
  });
});

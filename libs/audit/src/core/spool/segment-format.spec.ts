import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { crc32c, viewOf } from './crc32c.js';
import {
  decodeFrames,
  decodeHeader,
  encodeFrame,
  encodeHeader,
  frameBound,
  HEADER_BYTES,
  MAX_FRAME_BYTES,
  SegmentVersionError,
  VERSION,
  type Decoded,
} from './segment-format.js';

/** Each payload as a frame, numbered from `index` on. */
function encode(payloads: readonly string[], index = 0): Buffer[] {
  return payloads.map((payload, i) => {
    const target = Buffer.alloc(frameBound(payload));
    return target.subarray(0, encodeFrame(target, viewOf(target), 0, index + i, payload));
  });
}

const texts = (bytes: Buffer, { frames }: Decoded): string[] =>
  frames.map(({ from, end }) => bytes.toString('utf8', from, end));
/** Characters of each length that UTF-8 has. */
const text = fc.string({
  unit: fc.oneof(fc.constantFrom('\0', 'GRV', 'é', '漢', '\uffff', '𝕏'), fc.string({ maxLength: 1 })),
});
const lost = ({ damages }: Decoded): number => damages.reduce((sum, damage) => sum + damage.lost, 0);

describe('the header of a segment', () => {
  it('tells where the first frame stands, and belongs to one segment', () => {
    const first = { offset: 4096, index: 17 };
    expect(decodeHeader(encodeHeader(3), 3)).toEqual({ offset: HEADER_BYTES, index: 0 });
    expect(decodeHeader(encodeHeader(3, first), 3)).toEqual(first);
    expect(decodeHeader(encodeHeader(3), 4)).toBeUndefined();
  });

  it('is not taken for whole when any bit of it is another, or a part is missing', () => {
    for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
      const header = encodeHeader(1);
      header[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeHeader(header, 1)).toBeUndefined();
    }
    for (let length = 0; length < HEADER_BYTES; length++)
      expect(decodeHeader(encodeHeader(1).subarray(0, length), 1)).toBeUndefined();
  });

  it('of a newer format is refused, saying so', () => {
    const header = encodeHeader(1);
    header.writeUInt32LE(VERSION + 1, 8);
    header.writeUInt32LE(crc32c(viewOf(header), 0, 60), 60);
    expect(() => decodeHeader(header, 1)).toThrow(SegmentVersionError);
    expect(() => decodeHeader(header, 1)).toThrow(/format version 2, and this release reads up to 1/);
  });
});

describe('the frames of a segment', () => {
  it('are these bytes, in this release and every later one', () => {
    expect(encode(['{"é":1}'], 5)[0]!.toString('hex')).toBe('ff4752561ba37d6508000000050000007b22c3a9223a317d');
    expect(encodeHeader(2).toString('hex')).toBe(
      `4752415653504f4c01000000000000000200000000000000${'40000000'.padEnd(72, '0')}97b6e5e5`,
    );
  });

  it('come back as they were, whatever the texts are', () => {
    fc.assert(
      fc.property(fc.array(text), fc.nat(1000), (payloads, index) => {
        const bytes = Buffer.concat(encode(payloads, index));
        const decoded = decodeFrames(bytes, index, true);
        expect(texts(bytes, decoded)).toEqual(payloads);
        expect(decoded.frames.map((frame) => frame.index)).toEqual(payloads.map((_, i) => index + i));
        expect(decoded).toMatchObject({ damages: [], end: bytes.length });
      }),
    );
  });

  it('never take more room than was foreseen', () => {
    fc.assert(
      fc.property(text, (payload) => {
        expect(encode([payload])[0]!.length).toBeLessThanOrEqual(frameBound(payload));
      }),
    );
  });

  it('are the same when they are read in stretches', () => {
    const payloads = Array.from({ length: 60 }, (_, i) => `${i}:`.padEnd((i * 7919) % 90_000, 'x'));
    const bytes = Buffer.concat(encode(payloads));
    const found: string[] = [];
    let stretches = 0;
    for (let at = 0, index = 0; at < bytes.length; stretches++) {
      const stretch = bytes.subarray(at, at + MAX_FRAME_BYTES + 200_000);
      const decoded = decodeFrames(stretch, index, at + stretch.length === bytes.length);
      expect(decoded.damages).toEqual([]);
      found.push(...texts(stretch, decoded));
      index = found.length;
      at += decoded.end;
    }
    expect(found).toEqual(payloads);
    expect(stretches).toBeGreaterThan(5);
  });

  it('are found again behind damage, and their numbers tell how many it took', () => {
    const frames = encode(['a', 'b', 'c', 'd', 'e']);
    const bytes = Buffer.concat([frames[0]!, Buffer.from('not a frame'), frames[3]!, frames[4]!]);
    const decoded = decodeFrames(bytes, 0, true);
    expect(texts(bytes, decoded)).toEqual(['a', 'd', 'e']);
    const from = frames[0]!.length;
    expect(decoded.damages).toEqual([{ from, to: from + 11, lost: 2 }]);
  });

  it('are missed where some were cut out between two', () => {
    const frames = encode(['a', 'b', 'c', 'd']);
    const bytes = Buffer.concat([frames[0]!, frames[3]!]);
    expect(decodeFrames(bytes, 0, true).damages).toEqual([{ from: frames[0]!.length, to: frames[0]!.length, lost: 2 }]);
  });

  it('count as one where the end is torn, and are left for the next stretch where it is not the end', () => {
    const frames = encode(['a', 'b'.repeat(100)]);
    const torn = Buffer.concat(frames).subarray(0, -1);
    expect(decodeFrames(torn, 0, true)).toMatchObject({ frames: [{ index: 0 }], damages: [{ lost: 1 }] });
    const long = Buffer.concat([...frames, Buffer.alloc(MAX_FRAME_BYTES - 50)]);
    expect(decodeFrames(long, 0, false)).toMatchObject({
      frames: [{ index: 0 }, { index: 1 }],
      damages: [],
      end: Buffer.concat(frames).length,
    });
  });

  it('that come twice are read once', () => {
    const [a, b, c] = encode(['a', 'b', 'c']);
    const bytes = Buffer.concat([a!, b!, b!, c!]);
    const decoded = decodeFrames(bytes, 0, true);
    expect(texts(bytes, decoded)).toEqual(['a', 'b', 'c']);
    expect(decoded.damages).toHaveLength(1);
    expect(lost(decoded)).toBe(0);
  });

  it('are not made up from damage: any bytes are read without an error, and as none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, marked) => {
        const bytes = Buffer.concat([Buffer.from(marked ? [0xff, 0x47, 0x52, 0x56] : []), noise]);
        const decoded = decodeFrames(bytes, 0, true);
        expect(decoded.frames).toEqual([]);
        expect(lost(decoded)).toBe(bytes.length > 0 ? 1 : 0);
        expect(decoded.end).toBe(bytes.length);
      }),
    );
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { microsecondsSince2000, writeUuid } from './copy-values.js';

const EPOCH = Date.UTC(2000, 0, 1);
const dates = fc.date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') });
const digits = fc.stringMatching(/^\d{0,9}$/);
const pad = (number: number) => String(number).padStart(2, '0');

describe('microsecondsSince2000', () => {
  it('agrees with Date, whatever the fraction and the offset, and keeps the microseconds', () => {
    const offsets = fc.integer({ min: -15 * 60, max: 15 * 60 });
    fc.assert(
      fc.property(dates, digits, fc.option(offsets), (date, more, offset) => {
        const local = new Date(Math.max(date.getTime() + (offset ?? 0) * 60_000, Date.UTC(1, 0, 2)));
        const utc = local.getTime() - (offset ?? 0) * 60_000;
        const size = Math.abs(offset ?? 0);
        const zone = offset === null ? 'Z' : `${offset < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
        const text = `${local.toISOString().slice(0, -1)}${more}${zone}`;
        fc.pre(text.length < 45 && /^\d{4}-/.test(text));
        const expected = BigInt(utc - EPOCH) * 1000n + BigInt(more.padEnd(3, '0').slice(0, 3));
        expect(BigInt(microsecondsSince2000(text))).toBe(expected);
      }),
      { numRuns: 1000, examples: [[new Date('2024-02-29T23:59:59.999Z'), '999', null]] },
    );
  });

  it('takes dates', () => {
    fc.assert(
      fc.property(dates, (date) => {
        expect(BigInt(microsecondsSince2000(date))).toBe(BigInt(date.getTime() - EPOCH) * 1000n);
      }),
    );
  });

  it.each([
    'yesterday',
    '2026-11-20T10:00:00.12xZ',
    '2026-11-20T10:00:00.123xxxZ',
    '2026x11-20T10:00:00.123Z',
    '2026-11-20T10:00:00.123z!',
    '2026-13-20T10:00:00.123Z',
    '2026-00-20T10:00:00.123Z',
    '2026-11-32T10:00:00.123Z',
    '2026-11-20T25:00:00.123Z',
    '2026-11-20T10:60:00.123Z',
    '2026-11-20T10:00:61.123Z',
    new Date(NaN),
  ])('refuses %s', (time) => {
    expect(() => microsecondsSince2000(time)).toThrow(TypeError);
  });
});

describe('writeUuid', () => {
  const write = (text: string) => {
    const target = Buffer.alloc(18, 0xee);
    writeUuid(text, target, 1);
    expect([target[0], target[17]]).toEqual([0xee, 0xee]);
    return target.subarray(1, 17).toString('hex');
  };

  it('writes any UUID, in either case, with dashes or without', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.boolean(), fc.boolean(), (uuid, upper, dashes) => {
        const hex = uuid.replaceAll('-', '');
        const text = dashes ? uuid : hex;
        expect(write(upper ? text.toUpperCase() : text)).toBe(hex);
      }),
    );
  });

  it.each([
    '',
    'nonsense',
    '0'.repeat(31),
    '0'.repeat(33),
    'g'.repeat(32),
    `${'0'.repeat(31)}\u0130`,
    '0'.repeat(5000),
  ])('refuses %j', (text) => {
    expect(() => writeUuid(text, Buffer.alloc(16), 0)).toThrow(TypeError);
  });
});

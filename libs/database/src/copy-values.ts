/** Values as PostgreSQL's binary format has them, where that takes more than writing a number. */

/** Milliseconds between the Unix epoch and PostgreSQL's, 2000-01-01. */
const EPOCH_MS = 946_684_800_000;
const DASH = 45;
const DOT = 46;
const ZERO = 48;
const NINE = 57;
const COLON = 58;
const T = 84;
const Z = 90;

/**
 * A Date or an RFC 3339 time, whose fraction may have more digits than a Date keeps, as microseconds since 2000-01-01 UTC.
 *
 * @returns a number where that is exact (285 years to either side), a bigint beyond
 * @throws TypeError when it is not a time
 */
export function microsecondsSince2000(time: Date | string): number | bigint {
  const plain = typeof time === 'string' ? plainMicroseconds(time) : undefined;
  if (plain !== undefined) return plain;
  const fraction = typeof time === 'string' ? (/\.\d+/.exec(time)?.[0] ?? '') : '';
  // Date.parse reads a fraction of ten digits or more wrongly.
  const milliseconds = typeof time === 'string' ? Date.parse(time.replace(fraction, '')) : time.getTime();
  if (Number.isNaN(milliseconds)) throw new TypeError(`not a time: ${String(time).slice(0, 50)}`);
  const below = Number(fraction.slice(1, 7).padEnd(6, '0'));
  const microseconds = (milliseconds - EPOCH_MS) * 1000 + below;
  if (Number.isSafeInteger(microseconds)) return microseconds;
  return BigInt(milliseconds - EPOCH_MS) * 1000n + BigInt(below);
}

/**
 * Of a time that looks as nearly all do, `YYYY-MM-DDTHH:MM:SS.mmmZ` or with `uuu` before the Z, and of a year for which a number is
 * exact: five times as fast as Date.parse. undefined for any other, and for what is not a time.
 */
function plainMicroseconds(text: string): number | undefined {
  const { length } = text;
  if ((length !== 24 && length !== 27) || text.charCodeAt(length - 1) !== Z || !isPunctuated(text)) return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 7);
  const day = digits(text, 8, 10);
  const hour = digits(text, 11, 13);
  const minute = digits(text, 14, 16);
  const second = digits(text, 17, 19);
  const fraction = digits(text, 20, length - 1) * (length === 27 ? 1 : 1000);
  // NaN, for what is not a digit, passes none of these. Leap days and the 31st are left to Date.parse, which knows its months.
  const isDate =
    year >= 1800 && year <= 2200 && month >= 1 && month <= 12 && day >= 1 && day <= (month === 2 ? 28 : 30);
  if (!isDate || !(hour <= 23 && minute <= 59 && second <= 59 && fraction >= 0)) return undefined;
  return (Date.UTC(year, month - 1, day, hour, minute, second) - EPOCH_MS) * 1000 + fraction;
}

function isPunctuated(text: string): boolean {
  return (
    text.charCodeAt(4) === DASH &&
    text.charCodeAt(7) === DASH &&
    text.charCodeAt(10) === T &&
    text.charCodeAt(13) === COLON &&
    text.charCodeAt(16) === COLON &&
    text.charCodeAt(19) === DOT
  );
}

/** The number that the characters [start, end) write; NaN when one is not a digit. */
function digits(text: string, start: number, end: number): number {
  let number = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code < ZERO || code > NINE) return NaN;
    number = number * 10 + code - ZERO;
  }
  return number;
}

/** Up to this length a loop is faster than a call into native code. */
const SHORT = 14;

/** Writes text as UTF-8, for which the target needs room for three bytes a character. @returns the number of bytes */
export function writeText(text: string, target: Buffer, position: number): number {
  const { length } = text;
  if (length > SHORT) return target.write(text, position, 'utf8');
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return target.write(text, position, 'utf8');
    target[position + i] = code;
  }
  return length;
}

/** By character code: the value of a hexadecimal digit, or -1. */
const HEX = new Int8Array(128).fill(-1);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  HEX[digit.charCodeAt(0)] = HEX[digit.toUpperCase().charCodeAt(0)] = value;
}

/**
 * Writes the 16 bytes of a UUID, which may have its dashes or not.
 *
 * @throws TypeError when it is not a UUID; some of the 16 bytes may have been written
 */
export function writeUuid(text: string, target: Uint8Array, position: number): void {
  let nibbles = 0;
  for (let i = 0; i < text.length && nibbles <= 32; i++) {
    const code = text.charCodeAt(i);
    if (code === DASH) continue;
    const value = code < 128 ? HEX[code]! : -1;
    if (value < 0 || nibbles === 32) throw notUuid(text);
    const at = position + (nibbles >> 1);
    target[at] = nibbles & 1 ? target[at]! | value : value << 4;
    nibbles++;
  }
  if (nibbles !== 32) throw notUuid(text);
}

function notUuid(text: string): TypeError {
  return new TypeError(`not a UUID: ${text.slice(0, 50)}`);
}

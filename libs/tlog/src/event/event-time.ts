import { TlogError } from '../errors.js';

const CANONICAL = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const MAX_LENGTH = 100;
/** `2026-11-21T07:00:00` */
const SECONDS_LENGTH = 19;

/**
 * A time as the trail keeps it: UTC, `2026-11-21T07:00:00.000000Z`, always with microseconds. Digits beyond those are cut off, not
 * rounded: so does what writes events.
 *
 * @throws TlogError tlog_argument for what is not an RFC 3339 time of the years 1 to 9999
 */
export function canonicalTime(text: string): string {
  if (typeof text !== 'string') throw notTime();
  if (CANONICAL.test(text) && isPlainDay(text)) return text;
  const match = text.length <= MAX_LENGTH ? RFC_3339.exec(text) : null;
  const fraction = match?.[1] ?? '';
  // Date.parse reads a fraction of ten digits or more wrongly.
  const seconds = match ? Date.parse(text.replace(fraction, '')) : NaN;
  const utc = Number.isNaN(seconds) ? '' : new Date(seconds).toISOString();
  if (utc.length !== 24 || utc.startsWith('0000')) throw notTime();
  return `${utc.slice(0, SECONDS_LENGTH)}.${fraction.slice(1, 7).padEnd(6, '0')}Z`;
}

/** The 29th of February to the 31st are left to Date, which knows its months. */
function isPlainDay(text: string): boolean {
  return text.charCodeAt(8) < 0x33 && !text.startsWith('29', 8) && !text.startsWith('0000');
}

function notTime(): TlogError {
  return new TlogError('tlog_argument', 'event time: is not RFC 3339, or not of the years 1 to 9999');
}

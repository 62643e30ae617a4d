import { malformed } from '../errors.js';

/** A number that is not what a double would be written as: its digits, as PostgreSQL's numeric has them, without zeros at either end. */
export class ExactNumber {
  constructor(readonly digits: string) {}
}

/** Fewer than 16 digits, and no exponent: a double has room for that, and writes it in the same digits. */
const LONG_NUMBER = /\d[\d.]{15}/;
/**
 * Reads a jsonb value from its text, and loses nothing. JSON.parse alone would read 12345678901234567001 as ...7000, and an edit from one
 * to the other could not be seen.
 *
 * What a service of ours has stored came from JSON.stringify, so each of its numbers is a double and is given back as that one.
 *
 * @throws TlogError tlog_malformed when it is not JSON
 */
export function parseStoredJson(text: string): unknown {
  try {
    return LONG_NUMBER.test(text) ? (JSON.parse(text, exactly as Reviver) as unknown) : (JSON.parse(text) as unknown);
  } catch (error) {
    throw malformed('stored event: a member is not JSON', error);
  }
}

type Reviver = (key: string, value: unknown) => unknown;

function exactly(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined) return value;
  // jsonb never writes one.
  if (/e/i.test(context.source)) throw new SyntaxError('a number with an exponent');
  const stored = plainDigits(context.source);
  return Number.isFinite(value) && stored === plainDigits(expand(value)) ? value : new ExactNumber(stored);
}

/** Without zeros that say nothing; `1.0` and `1` are one number, to jsonb as well. */
function plainDigits(text: string): string {
  const negative = text.startsWith('-');
  const [whole = '', fraction = ''] = (negative ? text.slice(1) : text).split('.');
  let end = fraction.length;
  while (end > 0 && fraction[end - 1] === '0') end--;
  const digits = end === 0 ? whole : `${whole}.${fraction.slice(0, end)}`;
  return negative && digits !== '0' ? `-${digits}` : digits;
}

/** The number's shortest digits, without the exponent that `1e+21` and `1.5e-7` have. */
function expand(number: number): string {
  const [mantissa = '', exponent = '0'] = String(number).split('e');
  const shift = Number(exponent);
  if (shift === 0) return mantissa;
  const sign = mantissa.startsWith('-') ? '-' : '';
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  if (shift > 0) return `${sign}${whole}${fraction.padEnd(shift, '0')}`;
  return `${sign}0.${'0'.repeat(-shift - whole.length)}${whole}${fraction}`;
}

import { malformed } from '../errors.js';

/** A number that is not what a double would be written as: its digits, as PostgreSQL's numeric has them, without zeros at the end. */
export class ExactNumber {
  constructor(readonly digits: string) {}
}

/** Fewer than 16 digits, and no exponent: a double has room for that, and writes it in the same digits. And no escape. */
const NOT_PLAIN = /\d[\d.]{15}|\\/;
const MAX_DEPTH = 1000;
/** Doubles end at 10^308. */
const MAX_EXPONENT = 400;

/**
 * Reads JSON as jsonb or `canonicalJson` writes it, and loses nothing. JSON.parse alone would read 12345678901234567001 as ...7000, and an edit from one to
 * the other could not be seen.
 *
 * What a service of ours has stored came from JSON.stringify, so each of its numbers is a double and is given back as that one.
 *
 * Nor is JSON.parse used where a member's name may have an escape: V8 14.6 takes the name `"\n"` for `"\\"` when it has read an object
 * with that name before, so the same text does not always give the same object.
 *
 * @throws TlogError tlog_malformed when it is not JSON, or has a number with a larger exponent than doubles have
 */
export function parseStoredJson(text: string): unknown {
  try {
    return NOT_PLAIN.test(text) ? new Reading(text).all() : (JSON.parse(text) as unknown);
  } catch (error) {
    throw malformed('stored event: a member is not JSON', error);
  }
}

const SPACE = /[ \t\n\r]*/y;
const TEXT = /"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,6})?/y;
const WORD = /true|false|null/y;

/** One reading of one text. Each method begins at a token, and throws when it is another one. */
class Reading {
  private at = 0;

  constructor(private readonly text: string) {}

  all(): unknown {
    const value = this.value(MAX_DEPTH);
    if (this.at < this.text.length) throw this.unexpected();
    return value;
  }

  private value(depth: number): unknown {
    this.take(SPACE);
    const value = this.bare(depth);
    this.take(SPACE);
    return value;
  }

  private bare(depth: number): unknown {
    if (depth === 0) throw this.unexpected();
    switch (this.text[this.at]) {
      case '{':
        return this.object(depth - 1);
      case '[':
        return this.array(depth - 1);
      case '"':
        return this.string();
      case 't':
      case 'f':
      case 'n':
        return JSON.parse(this.take(WORD)) as unknown;
      default:
        return numberOf(this.take(NUMBER));
    }
  }

  private object(depth: number): Record<string, unknown> {
    const members: [string, unknown][] = [];
    this.list('}', () => {
      this.take(SPACE);
      const name = this.string();
      this.take(SPACE);
      this.skip(':');
      members.push([name, this.value(depth)]);
    });
    // Unlike an assignment it makes an own member of `__proto__`.
    return Object.fromEntries(members);
  }

  private array(depth: number): unknown[] {
    const values: unknown[] = [];
    this.list(']', () => values.push(this.value(depth)));
    return values;
  }

  /** An opening bracket, items with commas between them, and the closing one. */
  private list(close: string, item: () => void): void {
    this.at++;
    this.take(SPACE);
    if (this.text[this.at] === close) {
      this.at++;
      return;
    }
    item();
    while (this.text[this.at] === ',') {
      this.at++;
      item();
    }
    this.skip(close);
  }

  /** By itself, a string is read rightly. */
  private string(): string {
    return JSON.parse(this.take(TEXT)) as string;
  }

  private skip(character: string): void {
    if (this.text[this.at] !== character) throw this.unexpected();
    this.at++;
  }

  private take(token: RegExp): string {
    token.lastIndex = this.at;
    const match = token.exec(this.text);
    if (!match) throw this.unexpected();
    this.at = token.lastIndex;
    return match[0];
  }

  private unexpected(): SyntaxError {
    return new SyntaxError(`unexpected at character ${this.at}`);
  }
}

/** The double that is written with these digits, where there is one. */
function numberOf(source: string): number | ExactNumber {
  const value = Number(source);
  const digits = plainDigits(source);
  return Number.isFinite(value) && digits === plainDigits(String(value)) ? value : new ExactNumber(digits);
}

/** All digits, without an exponent and without zeros that say nothing: `1.0` and `1` are one number, to jsonb as well. */
function plainDigits(number: string): string {
  const [mantissa = '', exponent = '0'] = withoutSign(number).toLowerCase().split('e', 2).map(withoutSign);
  const negative = number.startsWith('-');
  const shift = Number(/e-/i.test(number) ? `-${exponent}` : exponent);
  if (Math.abs(shift) > MAX_EXPONENT) throw new SyntaxError('a number with a large exponent');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const all = `${'0'.repeat(Math.max(0, -shift))}${whole}${fraction}${'0'.repeat(Math.max(0, shift - fraction.length))}`;
  const point = Math.max(0, -shift) + whole.length + shift;
  const digits = `${trimStart(all.slice(0, point))}.${trimEnd(all.slice(point))}`.replace(/\.$/, '');
  return negative && digits !== '0' ? `-${digits}` : digits;
}

const withoutSign = (text: string): string => text.replace(/^[+-]/, '');

function trimStart(digits: string): string {
  let start = 0;
  while (start < digits.length - 1 && digits[start] === '0') start++;
  return digits.slice(start) || '0';
}

function trimEnd(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end--;
  return digits.slice(0, end);
}

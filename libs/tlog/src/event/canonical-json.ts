import { TlogError } from '../errors.js';
import { ExactNumber } from './stored-json.js';

/** jsonb itself goes deeper; events do not (16 levels of metadata). */
const MAX_DEPTH = 64;

/**
 * RFC 8785: members by the UTF-16 code units of their names, no white space, numbers and text as ECMAScript writes them.
 *
 * A number that no double is (`ExactNumber`) is written with all its digits, which RFC 8785 leaves open.
 *
 * @throws TlogError tlog_argument for what is not JSON: NaN, lone surrogates, undefined, a Date or anything else with a toJSON
 */
export function canonicalJson(value: unknown, depth = MAX_DEPTH): string {
  switch (typeof value) {
    case 'string':
      return canonicalText(value);
    case 'number':
      if (!Number.isFinite(value)) throw notJson('a number that is not finite');
      return String(value + 0);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      break;
    default:
      throw notJson(typeof value);
  }
  if (value === null) return 'null';
  if (value instanceof ExactNumber) return value.digits;
  if (depth === 0) throw notJson(`more than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) return canonicalArray(value, depth - 1);
  return canonicalObject(value, depth - 1);
}

function canonicalArray(values: readonly unknown[], depth: number): string {
  let text = '[';
  for (let i = 0; i < values.length; i++) text += (i === 0 ? '' : ',') + canonicalJson(values[i], depth);
  return `${text}]`;
}

function canonicalObject(object: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw notJson('an object of a class');
  const members = object as Readonly<Record<string, unknown>>;
  let text = '{';
  for (const key of sort(Object.keys(object))) {
    // JSON leaves such a member out, and so does what is stored.
    if (members[key] === undefined) continue;
    text += `${text === '{' ? '' : ','}${canonicalText(key)}:${canonicalJson(members[key], depth)}`;
  }
  return `${text}}`;
}

/** More are left to Array.prototype.sort, which copies them twice. */
const FEW = 16;

/** In place, by UTF-16 code units. */
function sort(keys: string[]): string[] {
  if (keys.length > FEW) return keys.sort();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!;
    let to = i;
    for (; to > 0 && keys[to - 1]! > key; to--) keys[to] = keys[to - 1]!;
    keys[to] = key;
  }
  return keys;
}

/** What needs no escape: printable ASCII without quotes and backslashes. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** JSON.stringify writes text as RFC 8785 has it, but for lone surrogates, which it escapes. */
export function canonicalText(text: string): string {
  if (typeof text !== 'string') throw notJson(`${typeof text}, where text is expected,`);
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw notJson('a lone surrogate');
  return JSON.stringify(text);
}

function notJson(what: string): TlogError {
  return new TlogError('tlog_argument', `canonical JSON: ${what} is not JSON`);
}

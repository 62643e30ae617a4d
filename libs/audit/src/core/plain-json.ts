import { isStorable } from './plain-text.js';

/** Levels, and characters as JSON; both within the bounds of the schema. */
const MAX_DEPTH = 16;
const MAX_SIZE = 32 * 1024;
/** The sizes below, times this, are never too low: a character is at most `\uXXXX`. */
const WORST = 6;
/** Quotes, and a comma or colon. */
const QUOTES_SIZE = 3;
/** Six of it hold `-1.2345678901234567e-300` and a comma. */
const NUMBER_SIZE = 5;
/** `false` and a comma are just six. So are brackets and a comma, easily. */
const SYMBOL_SIZE = 1;

type PlainObject = Record<string, unknown>;

/** Members' names come again and again, so those that are known to be storable need not be looked at anew. */
const knownKeys = new Set<string>();
const MAX_KNOWN_KEYS = 1000;

/**
 * Copies a JSON object, deeply, while it checks that PostgreSQL can store it as jsonb. Members that are undefined are left out, as JSON
 * does.
 *
 * It takes what is plain beyond doubt, and gives up on everything else: what JSON.stringify would change, what is too deep or too large.
 *
 * @returns undefined when it gives up
 * @throws what a getter of the object throws
 */
export function copyPlainJson(object: unknown): PlainObject | undefined {
  // JSON leaves out what a symbol names; in the object itself the schema refuses it.
  if (!isPlainObject(object) || Object.getOwnPropertySymbols(object).length > 0) return undefined;
  const copying = new Copying();
  const copy = copying.object(object, MAX_DEPTH - 1);
  if (copy === undefined || copying.size * WORST <= MAX_SIZE || JSON.stringify(copy).length <= MAX_SIZE) return copy;
  return undefined;
}

/** One copy in the making. Each method returns undefined when it gives up. */
class Copying {
  /** About the characters that the copy has as JSON, as far as it goes: not too low by more than `WORST`. */
  size = 0;

  object(object: PlainObject, depth: number): PlainObject | undefined {
    // In one step, with the layout of the original, and without its getters. All that `in` finds in it is its own.
    const copy = { ...object };
    this.size += SYMBOL_SIZE;
    for (const key in copy) {
      if (!this.takesKey(key)) return undefined;
      const value = copy[key];
      if (value === undefined) {
        delete copy[key];
        continue;
      }
      const own = this.value(value, depth);
      if (own === undefined) return undefined;
      if (own !== value || own === 0) copy[key] = own;
    }
    return copy;
  }

  private array(array: readonly unknown[], depth: number): unknown[] | undefined {
    const copy: unknown[] = [];
    this.size += SYMBOL_SIZE;
    for (let i = 0; i < array.length; i++) {
      const own = this.value(array[i], depth);
      if (own === undefined) return undefined;
      copy.push(own);
    }
    return copy;
  }

  private value(value: unknown, depth: number): unknown {
    if (this.size > MAX_SIZE) return undefined;
    if (typeof value === 'string') {
      this.size += value.length + QUOTES_SIZE;
      return isStorable(value) ? value : undefined;
    }
    if (typeof value === 'number') {
      this.size += NUMBER_SIZE;
      // JSON knows no negative zero.
      return Number.isFinite(value) ? value + 0 : undefined;
    }
    if (typeof value === 'boolean' || value === null) {
      this.size += SYMBOL_SIZE;
      return value;
    }
    if (typeof value !== 'object' || depth === 0) return undefined;
    if (isPlainArray(value)) return this.array(value, depth - 1);
    return isPlainObject(value) ? this.object(value, depth - 1) : undefined;
  }

  private takesKey(key: string): boolean {
    this.size += key.length + QUOTES_SIZE;
    if (knownKeys.has(key)) return true;
    // It would set a prototype when it is assigned to; and the schema leaves it out.
    if (key === '__proto__' || !isStorable(key)) return false;
    if (knownKeys.size < MAX_KNOWN_KEYS && key.length <= 64) knownKeys.add(key);
    return true;
  }
}

/** With a toJSON, even an inherited one, JSON is something else. */
function isPlainObject(value: unknown): value is PlainObject {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !('toJSON' in value);
}

function isPlainArray(value: object): value is unknown[] {
  return Array.isArray(value) && !('toJSON' in value);
}

/** Patterns that share a hash stand in a chain. */
interface Prefix {
  text: string;
  id: number;
  next: Prefix | undefined;
}

const SLASH = 47;
const FNV_PRIME = 16_777_619;
/** Another one in each process, so that nobody can choose names that share a hash. */
const SEED = (Math.random() * 2 ** 32) | 0;

/**
 * Tells which of many patterns a text matches: `*` matches all, `prefix/*` what lies below the prefix, anything else itself.
 *
 * A text is looked at once, whatever the number of patterns: the whole of it is looked up among the exact ones, and while its
 * characters go into a running hash, the hash at each slash among the prefixes.
 */
export class PatternIndex {
  /** What the last `match` found is at 0 to `count - 1`; used again by the next. */
  readonly found: number[] = [];
  private readonly exact = new Map<string, number>();
  private readonly prefixes = new Map<number, Prefix>();
  private all: number | undefined;
  private longestPrefix = 0;
  private size = 0;

  /** @returns the pattern's number, the same for the same pattern */
  add(pattern: string): number {
    if (pattern === '*') return (this.all ??= this.size++);
    if (pattern.endsWith('/*')) return this.addPrefix(pattern.slice(0, -1));
    const known = this.exact.get(pattern);
    if (known !== undefined) return known;
    this.exact.set(pattern, this.size);
    return this.size++;
  }

  /** @returns how many patterns match; their numbers are in `found`, in no order */
  match(text: string): number {
    let count = 0;
    if (this.all !== undefined) this.found[count++] = this.all;
    const exact = this.exact.get(text);
    if (exact !== undefined) this.found[count++] = exact;
    // A prefix must leave something of the text.
    const end = Math.min(text.length - 1, this.longestPrefix);
    let hash = SEED;
    for (let i = 0; i < end; i++) {
      const code = text.charCodeAt(i);
      hash = Math.imul(hash ^ code, FNV_PRIME);
      if (code !== SLASH) continue;
      const id = this.find(hash, text, i + 1);
      if (id !== undefined) this.found[count++] = id;
    }
    return count;
  }

  private addPrefix(text: string): number {
    const hash = hashOf(text);
    const known = this.find(hash, text, text.length);
    if (known !== undefined) return known;
    this.prefixes.set(hash, { text, id: this.size, next: this.prefixes.get(hash) });
    this.longestPrefix = Math.max(this.longestPrefix, text.length);
    return this.size++;
  }

  /** The prefix that consists of the text's first `length` characters. */
  private find(hash: number, text: string, length: number): number | undefined {
    for (let prefix = this.prefixes.get(hash); prefix !== undefined; prefix = prefix.next)
      if (prefix.text.length === length && text.startsWith(prefix.text)) return prefix.id;
    return undefined;
  }
}

function hashOf(text: string): number {
  let hash = SEED;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash;
}

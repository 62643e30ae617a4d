import { type AgentPrincipal } from '#http';

export interface VerifiedToken extends AgentPrincipal {
  /** Seconds since the epoch, as are the other times. */
  expiresAt: number;
  notBefore: number | undefined;
  issuedAt: number | undefined;
  jti: string | undefined;
}

export interface VerifiedTokensLimits {
  maxEntries: number;
  maxBytes: number;
}

const LIMITS: VerifiedTokensLimits = { maxEntries: 10_000, maxBytes: 32 * 1024 * 1024 };

interface Entry {
  token: VerifiedToken;
  bytes: number;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/**
 * Tokens whose signature and claims were found good, by their text. Bounded by number and by estimated bytes; when full, the one that was
 * used longest ago goes. Holds no refusals: whoever sends nonsense must not push out what others need.
 *
 * The order of use is a list through the entries: taking one out of a small Map and putting it back costs ten times as much.
 */
export class VerifiedTokens {
  private readonly entries = new Map<string, Entry>();
  private oldest: Entry | undefined;
  private newest: Entry | undefined;
  private used = 0;
  hits = 0;
  misses = 0;

  constructor(private readonly limits: VerifiedTokensLimits = LIMITS) {}

  get size(): number {
    return this.entries.size;
  }

  get bytes(): number {
    return this.used;
  }

  get(text: string): VerifiedToken | undefined {
    const entry = this.entries.get(text);
    if (!entry) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    if (entry !== this.newest) {
      this.unlink(entry);
      this.append(entry);
    }
    return entry.token;
  }

  add(token: VerifiedToken): void {
    this.remove(token.token);
    const bytes = bytesOf(token);
    if (bytes > this.limits.maxBytes) return;
    const entry: Entry = { token, bytes, older: undefined, newer: undefined };
    this.entries.set(token.token, entry);
    this.append(entry);
    this.used += bytes;
    while (this.oldest && (this.size > this.limits.maxEntries || this.used > this.limits.maxBytes))
      this.remove(this.oldest.token.token);
  }

  remove(text: string): void {
    const entry = this.entries.get(text);
    if (!entry) return;
    this.entries.delete(text);
    this.unlink(entry);
    this.used -= entry.bytes;
  }

  clear(): void {
    this.entries.clear();
    this.oldest = undefined;
    this.newest = undefined;
    this.used = 0;
  }

  private append(entry: Entry): void {
    entry.older = this.newest;
    if (this.newest) this.newest.newer = entry;
    else this.oldest = entry;
    this.newest = entry;
  }

  private unlink(entry: Entry): void {
    if (entry.older) entry.older.newer = entry.newer;
    else this.oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else this.newest = entry.older;
    entry.older = undefined;
    entry.newer = undefined;
  }
}

/** An upper estimate: the text, what it says in characters of two bytes, and the objects around it. */
function bytesOf({ token, groups }: VerifiedToken): number {
  return 512 + 3 * token.length + 32 * groups.length;
}

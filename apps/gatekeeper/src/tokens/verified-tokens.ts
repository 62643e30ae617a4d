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

/**
 * Tokens whose signature and claims were found good, by their text, the one that was used longest ago first (a Map keeps the order of
 * insertion). Bounded by number and by estimated bytes; when full, the one at the front goes. Holds no refusals: whoever sends nonsense
 * must not push out what others need.
 */
export class VerifiedTokens {
  private readonly entries = new Map<string, VerifiedToken>();
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
    const token = this.entries.get(text);
    if (!token) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.entries.delete(text);
    this.entries.set(text, token);
    return token;
  }

  add(token: VerifiedToken): void {
    this.remove(token.token);
    const bytes = bytesOf(token);
    if (bytes > this.limits.maxBytes) return;
    this.entries.set(token.token, token);
    this.used += bytes;
    for (const oldest of this.entries.values()) {
      if (this.entries.size <= this.limits.maxEntries && this.used <= this.limits.maxBytes) return;
      this.remove(oldest.token);
    }
  }

  remove(text: string): void {
    const token = this.entries.get(text);
    if (!token) return;
    this.entries.delete(text);
    this.used -= bytesOf(token);
  }

  clear(): void {
    this.entries.clear();
    this.used = 0;
  }
}

/** An upper estimate: the text, what it says in characters of two bytes, and the objects around it. */
function bytesOf({ token, groups }: VerifiedToken): number {
  return 512 + 3 * token.length + 32 * groups.length;
}

import { LRUCache } from 'lru-cache';
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
 * Tokens whose signature and claims were found good, by their text. Bounded by number and by estimated bytes; when full, the one that was
 * used longest ago goes. Holds no refusals: whoever sends nonsense must not push out what others need.
 */
export class VerifiedTokens {
  private readonly tokens: LRUCache<string, VerifiedToken>;
  hits = 0;
  misses = 0;

  constructor({ maxEntries, maxBytes }: VerifiedTokensLimits = LIMITS) {
    this.tokens = new LRUCache({ max: maxEntries, maxSize: maxBytes, sizeCalculation: bytesOf });
  }

  get size(): number {
    return this.tokens.size;
  }

  get bytes(): number {
    return this.tokens.calculatedSize;
  }

  get(text: string): VerifiedToken | undefined {
    const token = this.tokens.get(text);
    if (token) this.hits++;
    else this.misses++;
    return token;
  }

  add(token: VerifiedToken): void {
    this.tokens.set(token.token, token);
  }

  remove(text: string): void {
    this.tokens.delete(text);
  }

  clear(): void {
    this.tokens.clear();
  }
}

/** An upper estimate: the text, what it says in characters of two bytes, and the objects around it. */
function bytesOf({ token, groups }: VerifiedToken): number {
  return 512 + 3 * token.length + 32 * groups.length;
}

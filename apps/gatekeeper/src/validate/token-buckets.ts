import { LRUCache } from 'lru-cache';

export interface BucketOptions {
  /** Tokens that come back each second. */
  rate: number;
  /** Tokens that a bucket holds at most, and at first. */
  burst: number;
  /** Buckets kept; the one that was idle longest goes first, and would be full again. */
  maxBuckets: number;
  /** In one window each bucket's first refusal stands out from those that follow. Milliseconds. */
  windowMs: number;
  /** Milliseconds, never going back. */
  now: () => number;
}

export interface Refusal {
  /** Seconds until there is a token again. */
  retryAfter: number;
  /** Whether no other was refused in this window. */
  first: boolean;
  /** Refused since the last refusal that was a first one, without this. */
  refusedBefore: number;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was right. */
  at: number;
  /** When the window began in which something was refused last. */
  window: number;
  refused: number;
}

/** A token bucket for each key: a short burst goes through, a steady excess does not. */
export class TokenBuckets {
  private readonly buckets: LRUCache<string, Bucket>;

  constructor(private readonly options: BucketOptions) {
    this.buckets = new LRUCache({ max: options.maxBuckets });
  }

  get size(): number {
    return this.buckets.size;
  }

  /** Takes a token. @returns undefined when there was one */
  take(key: string): Refusal | undefined {
    const { rate, burst, windowMs } = this.options;
    const now = this.options.now();
    let bucket = this.buckets.get(key);
    if (bucket === undefined) {
      bucket = { tokens: burst, at: now, window: -Infinity, refused: 0 };
      this.buckets.set(key, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * rate);
    bucket.at = now;
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return undefined;
    }
    const first = now - bucket.window >= windowMs;
    const refusedBefore = bucket.refused;
    bucket.refused = first ? 0 : bucket.refused + 1;
    if (first) bucket.window = now;
    return { retryAfter: (1 - bucket.tokens) / rate, first, refusedBefore: first ? refusedBefore : 0 };
  }
}

const BUCKETS = 100;

/**
 * Which hundredth of all keys a key belongs to, 0 to 99: the same in every process, and with a share that grows those in it stay in it.
 *
 * Source: FNV-1a (Fowler, Noll, Vo), and the finalizer of MurmurHash3, without which the lowest bits of short keys are uneven.
 */
export function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % BUCKETS;
}

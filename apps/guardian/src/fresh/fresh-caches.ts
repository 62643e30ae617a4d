import { Injectable } from '@nestjs/common';
import { Metrics } from '#metrics';
import { Clock } from '../clock.js';
import { FreshCache, type FreshCacheOptions } from './fresh-cache.js';

/** How long an instance may go on with what it has read, where no hint of a change reaches it. */
const MAX_AGE_MS = 1000;
/** About 2 KB each. */
const MAX_ENTRIES = 10_000;

/** The caches of this instance, which forget together: changes are rare, and what is forgotten is read again when it is next needed. */
@Injectable()
export class FreshCaches {
  private readonly caches = new Map<string, FreshCache<unknown>>();
  private readonly lookups;
  private readonly forgotten;

  constructor(
    private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {
    this.lookups = metrics.counter('guardian_cache_lookups_total', 'Lookups by cache and whether it could answer', [
      'cache',
      'result',
    ]);
    this.forgotten = metrics.counter(
      'guardian_cache_forgotten_total',
      'Times that all caches were emptied, by reason',
      ['reason'],
    );
  }

  /** @param name of the metrics */
  make<V>(name: string, options: Pick<FreshCacheOptions<V>, 'read' | 'keeps'>): FreshCache<V> {
    const elapsed = () => this.clock.elapsed();
    const cache = new FreshCache<V>({ ...options, maxEntries: MAX_ENTRIES, maxAgeMs: MAX_AGE_MS, elapsed });
    this.caches.set(name, cache as FreshCache<unknown>);
    this.metrics.gauge(`guardian_cache_${name}`, `Entries in the cache of ${name}`, () => cache.size);
    return cache;
  }

  /**
   * What is kept, where it will do, otherwise what is read now. So a "no" is always fresh.
   *
   * @param isYes whether what is kept will do
   */
  async lookUp<V>(name: string, cache: FreshCache<V>, key: string, isYes: (value: V) => boolean): Promise<V> {
    const kept = cache.peek(key);
    const hit = kept !== undefined && isYes(kept);
    this.lookups.inc({ cache: name, result: hit ? 'hit' : 'miss' });
    return hit ? kept : cache.read(key);
  }

  /** @param reason `change`: this instance has made one; `hint`: somebody has */
  forget(reason: 'change' | 'hint'): void {
    this.forgotten.inc({ reason });
    for (const cache of this.caches.values()) cache.forget();
  }
}

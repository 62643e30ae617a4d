export interface FreshCacheOptions<V> {
  /** Reads the truth. */
  read: (key: string) => Promise<V>;
  /** Whether an answer is worth keeping. */
  keeps: (value: V) => boolean;
  maxEntries: number;
  /** Counted from the moment in which its reading began. Milliseconds. */
  maxAgeMs: number;
  /** Milliseconds of a clock that never goes back. */
  elapsed: () => number;
}

interface Reading<V> {
  began: number;
  value: Promise<V>;
}

interface Entry<V> {
  began: number;
  value: V;
}

/**
 * Answers that may be a moment old. Capacity: `maxEntries`, the least recently used goes first. Nothing is answered that began to be
 * read before the last `forget`, or longer than `maxAgeMs` ago; who asks meanwhile shares a reading that is under way. A reading that
 * fails is everybody's failure who waits for it, and leaves nothing behind.
 */
export class FreshCache<V> {
  private readonly entries = new Map<string, Entry<V>>();
  private readonly readings = new Map<string, Reading<V>>();

  constructor(private readonly options: FreshCacheOptions<V>) {}

  get size(): number {
    return this.entries.size;
  }

  /** What is kept, if it is young enough. */
  peek(key: string): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    if (!this.isFresh(entry)) return undefined;
    this.entries.set(key, entry);
    return entry.value;
  }

  /** Reads anew, whatever is kept. */
  read(key: string): Promise<V> {
    const underWay = this.readings.get(key);
    if (underWay && this.isFresh(underWay)) return underWay.value;
    const began = this.options.elapsed();
    const value = this.options.read(key);
    const reading = { began, value };
    this.readings.set(key, reading);
    /** Whether nobody has begun a later one since, nor anything was forgotten. */
    const isLatest = (): boolean => this.readings.get(key) === reading && this.readings.delete(key);
    value.then(
      (answer) => {
        if (isLatest()) this.keep(key, { began, value: answer });
      },
      () => isLatest(),
    );
    return value;
  }

  /** Something may have changed: nothing that was read so far is answered again, nor what is being read. */
  forget(): void {
    this.entries.clear();
    this.readings.clear();
  }

  private keep(key: string, entry: Entry<V>): void {
    this.entries.delete(key);
    if (!this.options.keeps(entry.value) || !this.isFresh(entry)) return;
    this.entries.set(key, entry);
    if (this.entries.size <= this.options.maxEntries) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      break;
    }
  }

  private isFresh({ began }: { began: number }): boolean {
    return this.options.elapsed() - began < this.options.maxAgeMs;
  }
}

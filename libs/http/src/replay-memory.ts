/**
 * Which token ids were seen, for as long as their tokens hold. Bounded: when it is full it takes no more, and whoever asks has to
 * refuse. Ids are kept in generations by the time at which they end, and dropped a generation at a time: no timer and no deletion
 * for each. An id stays for up to GENERATION_SECONDS longer than it has to. Lost with the process.
 */
const GENERATION_SECONDS = 15;

export class ReplayMemory {
  /** By the number of the generation; there are as many as fit into the longest time that a token holds, about six. */
  private readonly generations = new Map<number, Set<string>>();
  private count = 0;

  constructor(private readonly capacity: number) {}

  /** How many ids are kept. */
  get size(): number {
    return this.count;
  }

  /**
   * Keeps an id.
   *
   * @param until seconds since the epoch; from then on its token is refused anyway
   * @param now the same clock
   * @returns `seen` when it was there already, `full` when there is no room for it
   */
  add(id: string, until: number, now: number): 'new' | 'seen' | 'full' {
    this.drop(now);
    for (const ids of this.generations.values()) if (ids.has(id)) return 'seen';
    if (this.count >= this.capacity) return 'full';
    const number = Math.ceil(until / GENERATION_SECONDS);
    const generation = this.generations.get(number);
    if (generation) generation.add(id);
    else this.generations.set(number, new Set([id]));
    this.count++;
    return 'new';
  }

  /** Forgets the generations of which every token has expired. */
  drop(now: number): void {
    for (const [number, ids] of this.generations) {
      if (number * GENERATION_SECONDS > now) continue;
      this.generations.delete(number);
      this.count -= ids.size;
    }
  }
}

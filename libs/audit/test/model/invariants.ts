import { expect } from '@jest/globals';
import { type AuditEvent } from '#contracts';
import { type Model } from './model.js';
import { type World } from './world.js';

/** A record may turn out larger in the file than it was counted, by its bytes in UTF-8. */
const LARGEST_FRAME_BYTES = 3 * 32 * 1024;

/** What must hold after each command, and at the end. */
export class Invariants {
  /** Events of the sink that were looked at. */
  private seen = 0;
  private readonly producers = new Map<number, string | null>();
  private readonly newest = new Map<number, number>();

  constructor(
    private readonly model: Model,
    private readonly world: World,
  ) {}

  check(): void {
    const { model, world } = this;
    world.noteConfirmed();
    expect(world.life.connection.violations).toEqual([]);
    this.checkSink();
    if (model.state === 'open') this.checkLogger();
  }

  /** Whatever was taken is in the sink or a dead letter, and once. */
  checkEnd(): void {
    const { model, world } = this;
    const inSink = new Set(world.store.events.map(({ id }) => id));
    const letters = world.deadLetters();
    const dead = new Set(letters);
    for (const taken of model.taken.values()) {
      const { id, poison, mayBeLost } = taken;
      const places = [...(inSink.has(id) ? ['sink'] : []), ...(dead.has(id) ? ['dead letter'] : [])];
      if (places.length === 0 && mayBeLost) continue;
      expect({ ...taken, places }).toEqual({ ...taken, places: [poison ? 'dead letter' : 'sink'] });
    }
    for (const id of dead) expect(model.taken.has(id)).toBe(true);
    if (model.smooth) expect(letters.length).toBe(dead.size);
    if (world.setup.concurrency === 1) this.checkPrefixes((id) => inSink.has(id) || dead.has(id));
  }

  private checkLogger(): void {
    const { model, world } = this;
    const stats = world.life.logger.stats();
    const { accepted, persisted, queued, spooled, dead_lettered, damaged, dropped, refused } = stats;
    const parts = { persisted, queued, spooled, dead_lettered, damaged };
    expect([stats, Object.values(stats).every((part) => part >= 0)]).toEqual([stats, true]);
    expect([stats, dropped]).toEqual([stats, 0]);
    expect([stats, Object.values(parts).reduce((sum, part) => sum + part)]).toEqual([stats, accepted]);
    expect(accepted).toBe(model.left + model.sequence);
    expect(refused).toBe(model.refused);
    expect(queued).toBeLessThanOrEqual(world.setup.maxEvents);
    expect(damaged).toBeLessThanOrEqual(model.tears);
    if (world.setup.durability !== 'memory')
      expect(world.spoolBytes()).toBeLessThanOrEqual(world.setup.maxSpoolBytes + LARGEST_FRAME_BYTES);
  }

  /** Nothing that was not taken, nothing twice, nothing changed, and of each logger in the order in which it took them. */
  private checkSink(): void {
    const { events, writes } = this.world.store;
    for (; this.seen < events.length; this.seen++) this.checkEvent(events[this.seen]!);
    expect(new Set(this.producers.values()).size).toBe(this.producers.size);
    for (const batch of writes.splice(0)) this.checkBatch(batch);
  }

  /** In the order of `record`, repetitions after a failure included; without a gap, unless luck has kept a later file and not an earlier one. */
  private checkBatch(batch: readonly AuditEvent[]): void {
    expect(batch.length).toBeLessThanOrEqual(this.world.setup.batchSize);
    for (const [i, event] of batch.entries()) {
      const before = batch[i - 1];
      if (before?.producer !== event.producer) continue;
      if (this.isTorn(event)) expect(event.sequence).toBeGreaterThan(before.sequence!);
      else expect(event.sequence).toBe(before.sequence! + 1);
    }
  }

  private isTorn({ id }: AuditEvent): boolean {
    const taken = this.model.taken.get(id);
    return taken !== undefined && this.model.torn.has(taken.life);
  }

  private checkEvent(event: AuditEvent): void {
    const taken = this.model.taken.get(event.id);
    if (!taken) throw new Error(`the sink has an event that nobody was told to be taken: ${JSON.stringify(event)}`);
    const { n, text, sequence, timestamp, life } = taken;
    expect(event).toMatchObject({ sequence, timestamp, metadata: { n, text } });
    if (!this.producers.has(life)) this.producers.set(life, event.producer);
    expect(event.producer).toBe(this.producers.get(life));
    if (this.world.setup.concurrency === 1) expect(sequence).toBeGreaterThan(this.newest.get(life) ?? 0);
    this.newest.set(life, sequence);
  }

  /** Where a logger's events are lost, they are its last ones. */
  private checkPrefixes(isThere: (id: string) => boolean): void {
    const missing = new Set<number>();
    for (const { id, life } of this.model.taken.values()) {
      if (this.model.torn.has(life)) continue;
      if (!isThere(id)) missing.add(life);
      else expect([id, missing.has(life)]).toEqual([id, false]);
    }
  }
}

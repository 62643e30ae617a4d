import { expect } from '@jest/globals';
import { waitFor } from '#testing';
import { type SinkMode } from './connection.js';
import { Invariants } from './invariants.js';
import { type Crash } from './life.js';
import { Model, type Taken } from './model.js';
import { type DiskError } from './mortal-files.js';
import { outcomeOf } from './outcome.js';
import { SOON_MS, Turns, type Draft } from './turns.js';
import { type World } from './world.js';

/** A crash within a file call. */
export interface DeathWithin {
  /** File calls that still succeed. */
  calls: number;
  /** Of the write that it interrupts, if it is one. */
  part: number;
  how: Crash;
  /** The logger was about to close. */
  closing: boolean;
}

/** The deadline of a close that a crash interrupts. */
const CLOSE_MS = 5;

/** Does to the loggers what a caller can do, and holds what they answer against the model. */
export class Play {
  readonly model = new Model();
  readonly invariants: Invariants;
  private readonly turns: Turns;

  constructor(readonly world: World) {
    this.invariants = new Invariants(this.model, world);
    this.turns = new Turns(this.model, world);
    this.model.opened(0);
  }

  record(drafts: readonly Draft[]): Promise<void> {
    return this.turns.record(drafts);
  }

  awaitTurn(): Promise<void> {
    return this.turns.awaitNewest();
  }

  async flush(): Promise<void> {
    const { world, model } = this;
    const before = [...model.taken.values()];
    const outcome = await outcomeOf(world.life.logger.flush(), model.isHealthy ? SOON_MS : 20);
    if (model.isHealthy || model.state === 'closed') expect(outcome.state).not.toBe('pending');
    if (model.state === 'open') expect(outcome).not.toMatchObject({ state: 'rejected' });
    if (outcome.state === 'resolved' && model.state === 'open') this.expectDelivered(before);
  }

  /** Twice is the same as once. @param inTime with a deadline that is enough */
  async close(inTime: boolean): Promise<void> {
    const { world, model } = this;
    const before = [...model.taken.values()];
    const wasOpen = model.state === 'open';
    const mayFail = model.diskIsSuspect;
    const deadline = inTime ? (model.isHealthy ? SOON_MS : 30) : 0;
    const outcomes = await Promise.all([
      outcomeOf(world.life.logger.close(deadline), 2 * SOON_MS),
      outcomeOf(world.life.logger.close(), 2 * SOON_MS),
    ]);
    expect(outcomes[1]).toEqual(outcomes[0]);
    if (!wasOpen) return;
    model.state = 'closed';
    if (outcomes[0].state !== 'resolved') {
      expect(outcomes[0]).toMatchObject({ state: 'rejected', reason: { code: 'audit_not_durable' } });
      expect(['close rejects', mayFail]).toEqual(['close rejects', true]);
      model.closedInVain(world.life.index);
    } else {
      if (inTime && model.isHealthy) this.expectDelivered(before);
      else model.smooth = false;
      if (mayFail) model.tears++;
      model.allSafe();
      expect(world.life.logger.stats()).toMatchObject({ dropped: 0, queued: 0 });
    }
  }

  /** @throws what the logger throws when it cannot be opened though the disk works */
  async open(): Promise<void> {
    const { world, model } = this;
    try {
      await world.begin();
    } catch (error) {
      if (model.disk === 'takes') throw error;
      expect(['ENOSPC', 'EIO']).toContain((error as NodeJS.ErrnoException).code);
      return;
    }
    const { left } = world.life;
    const unsettled = this.unsettled().filter(({ mayBeLost }) => !mayBeLost).length;
    expect(left).toBeGreaterThanOrEqual(unsettled);
    if (model.smooth) expect(left).toBe(unsettled);
    model.opened(left);
  }

  /** Only what was forced to the disk outlives a loss of power: elsewhere the power stays. */
  crash(crash: Crash): void {
    const { world, model } = this;
    const possible: Crash = world.setup.durability === 'disk' ? crash : { ...crash, written: 'all' };
    model.crashed(world.life.index, possible.written === 'some');
    world.crash(possible);
  }

  /** As `crash`, within the file call that follows the next `calls` ones, or soon when there are not that many. */
  async crashWithin({ calls, part, how, closing }: DeathWithin, turn: readonly Draft[]): Promise<void> {
    const { life } = this.world;
    const { promise: died, resolve } = Promise.withResolvers<void>();
    life.disk.dieAt({
      calls,
      part,
      die: () => {
        this.crash(how);
        resolve();
      },
    });
    await this.record(turn);
    const closed = closing ? life.logger.close(CLOSE_MS).catch(() => undefined) : undefined;
    await outcomeOf(died, 20);
    life.disk.dieAt(undefined);
    if (!life.isOver) this.crash(how);
    await closed;
  }

  sink(mode: SinkMode): void {
    this.world.server.become(mode);
    this.model.sink = mode === 'up' || mode === 'slow' ? 'takes' : 'refuses';
  }

  diskRefuses(code: DiskError, part: number): void {
    this.model.diskRefuses();
    this.world.refuseDisk(code, part);
  }

  /** @param awaited the logger notices by itself, and not late */
  async diskTakes(awaited: boolean): Promise<void> {
    const { world, model } = this;
    model.diskTakes();
    world.freeDisk();
    if (!awaited || model.state !== 'open') return;
    const { logger } = world.life;
    await waitFor(
      'the logger to notice that the disk takes again',
      () => !/ENOSPC|EIO/.test(logger.refusing ?? ''),
      SOON_MS,
    );
    model.recovering = false;
  }

  /**
   * The sink and the disk work again: the logger recovers, or the next one opens, and everything comes to its end. What was taken is
   * where it belongs then, and another logger finds nothing left to do.
   */
  async end(): Promise<void> {
    const { model, world } = this;
    this.sink('up');
    await this.diskTakes(false);
    if (model.state !== 'open') await this.open();
    expect(await world.life.logger.room(SOON_MS)).toBe(true);
    await this.flush();
    await this.recordLargest();
    await this.awaitTurn();
    await this.close(true);
    this.invariants.check();
    await this.open();
    expect(world.life.left).toBe(0);
    await this.close(true);
    this.invariants.checkEnd();
  }

  /** There is room for any when everything is delivered, at the latest when its files are gone. */
  private async recordLargest(): Promise<void> {
    const { model, world } = this;
    const { refused } = model;
    const largest: Draft = { length: 30_000, character: 'a', poison: false };
    await this.record([largest]);
    if (model.refused === refused) return;
    expect(await world.life.logger.room(SOON_MS)).toBe(true);
    await this.record([largest]);
    expect(model.refused).toBe(refused + 1);
  }

  /** Taken, and as far as anybody was told neither in the sink nor a dead letter. */
  private unsettled(): Taken[] {
    this.world.noteConfirmed();
    const dead = new Set(this.world.deadLetters());
    return [...this.model.taken.values()].filter(({ id }) => !this.world.confirmed.has(id) && !dead.has(id));
  }

  private expectDelivered(events: readonly Taken[]): void {
    const missing = new Set(this.unsettled().map(({ id }) => id));
    for (const taken of events) if (!taken.mayBeLost) expect([taken, missing.has(taken.id)]).toEqual([taken, false]);
  }
}

import { expect } from '@jest/globals';
import { AuditError, type AuditReceipt } from '#audit';
import { type SinkMode } from './connection.js';
import { Invariants } from './invariants.js';
import { type Crash, type Life } from './life.js';
import { Model, type Taken } from './model.js';
import { type DiskError } from './mortal-files.js';
import { outcomeOf } from './outcome.js';
import { type World } from './world.js';

/** A record to come: how long its text is, of which characters, and whether the sink can ever take it. */
export interface Draft {
  length: number;
  character: string;
  poison: boolean;
}

/** Long enough for any pause between two attempts, on a busy machine too. */
export const SOON_MS = 15_000;

interface Asked {
  life: Life;
  taken: Taken;
  durable: Promise<void>;
  /** Whether the disk was out of order at the time, and how often it had been. */
  diskWasSuspect: boolean;
  troubles: number;
}

/** Does to the loggers what a caller can do, and holds what they answer against the model. */
export class Play {
  readonly model = new Model();
  readonly invariants: Invariants;
  /** Receipts of the newest turn that took anything. */
  private turn: Asked[] = [];

  constructor(readonly world: World) {
    this.invariants = new Invariants(this.model, world);
    this.model.opened(0);
  }

  /** One turn of the event loop that records all of these. */
  async record(drafts: readonly Draft[]): Promise<void> {
    const asked: Asked[] = [];
    const refusals: { refusal: AuditError; draft: Draft }[] = [];
    for (const draft of drafts) {
      try {
        asked.push(this.recordOne(draft));
      } catch (error) {
        if (!(error instanceof AuditError)) throw error;
        refusals.push({ refusal: error, draft });
      }
    }
    if (asked.length > 0) this.turn = asked;
    // What the turn has recorded is in the file then, and counts.
    if (refusals.length > 0) await new Promise(setImmediate);
    for (const { refusal, draft } of refusals) await this.judge(refusal, draft);
  }

  /** Every receipt of the newest turn has its answer soon, unless only the sink can give it and does not. */
  async awaitTurn(): Promise<void> {
    const { world, model } = this;
    const mustAnswer = world.setup.async || model.isHealthy;
    for (const { life, durable, taken, diskWasSuspect, troubles } of this.turn) {
      const outcome = await outcomeOf(durable, mustAnswer && !life.isOver ? SOON_MS : 20);
      if (life.isOver) continue;
      const isClosed = life !== world.life || model.state === 'closed';
      if (outcome.state === 'rejected') {
        expect(outcome.reason).toMatchObject({ code: 'audit_not_durable' });
        const mayBe = diskWasSuspect || model.diskTroubles > troubles || (!world.setup.async && isClosed);
        expect([taken, 'rejected', mayBe]).toEqual([taken, 'rejected', true]);
      } else if (mustAnswer) expect([taken, outcome.state]).toEqual([taken, 'resolved']);
    }
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
    model.crashed(world.life.index);
    world.crash(world.setup.durability === 'disk' ? crash : { ...crash, written: 'all' });
  }

  /** As `crash`, within the file call that follows the next `calls` ones, or soon when there are not that many. */
  async crashWithin(turn: readonly Draft[], calls: number, part: number, crash: Crash): Promise<void> {
    const { life } = this.world;
    const { promise: died, resolve } = Promise.withResolvers<void>();
    life.disk.dieAt({
      calls,
      part,
      die: () => {
        this.crash(crash);
        resolve();
      },
    });
    await this.record(turn);
    await outcomeOf(died, 20);
    life.disk.dieAt(undefined);
    if (!life.isOver) this.crash(crash);
  }

  sink(mode: SinkMode): void {
    this.world.server.become(mode);
    this.model.sink = mode === 'up' || mode === 'slow' ? 'takes' : 'refuses';
  }

  diskRefuses(code: DiskError, part: number): void {
    this.model.diskRefuses();
    this.world.refuseDisk(code, part);
  }

  diskTakes(): void {
    this.model.diskTakes();
    this.world.freeDisk();
  }

  /**
   * The sink and the disk work again: the logger recovers, or the next one opens, and everything comes to its end. What was taken is
   * where it belongs then, and another logger finds nothing left to do.
   */
  async end(): Promise<void> {
    const { model, world } = this;
    this.sink('up');
    this.diskTakes();
    if (model.state !== 'open') await this.open();
    expect(await world.life.logger.room(SOON_MS)).toBe(true);
    await this.flush();
    // As large as they come: there is room for any now.
    await this.record([{ length: 30_000, character: 'a', poison: false }]);
    expect(model.refused).toBe(world.life.logger.stats().refused);
    await this.awaitTurn();
    await this.close(true);
    this.invariants.check();
    await this.open();
    expect(world.life.left).toBe(0);
    await this.close(true);
    this.invariants.checkEnd();
  }

  /** Taken, and as far as anybody was told neither in the sink nor a dead letter. */
  private unsettled(): Taken[] {
    this.world.noteConfirmed();
    const dead = new Set(this.world.deadLetters());
    return [...this.model.taken.values()].filter(({ id }) => !this.world.confirmed.has(id) && !dead.has(id));
  }

  private recordOne({ length, character, poison }: Draft): Asked {
    const { world, model } = this;
    const { life } = world;
    const n = world.records++;
    const text = character.repeat(Math.floor(length / character.length));
    const { id, timestamp, sequence, durable }: AuditReceipt = life.logger.record({
      action: 'execute',
      resource: `shells/l1/${n}`,
      result: 'ALLOWED',
      metadata: { n, text, poison },
    });
    expect(sequence).toBe(model.sequence + 1);
    model.recovering &&= model.disk === 'refuses';
    const taken = model.took({ id, life: life.index, sequence, timestamp, n, text, poison, mayBeLost: life.isOver });
    const toldOnlyOfMemory = world.setup.durability === 'memory' && world.setup.async;
    durable.then(
      () => (taken.acknowledged ||= !life.isOver && !toldOnlyOfMemory),
      () => undefined,
    );
    return { life, taken, durable, diskWasSuspect: model.diskIsSuspect, troubles: model.diskTroubles };
  }

  /** A refusal is only right while the logger is closed, the disk refuses, or a bound is reached. */
  private async judge(refusal: AuditError, draft: Draft): Promise<void> {
    const { model, world } = this;
    if (world.life.isOver) return;
    if (refusal.code === 'audit_closed') return expect(model.state).not.toBe('open');
    expect(model.state).toBe('open');
    model.refused++;
    if (refusal.code === 'audit_disk_refused')
      return expect([refusal.message, model.diskIsSuspect]).toEqual([refusal.message, true]);
    expect(refusal.code).toBe('audit_queue_full');
    if (this.isFull(draft) || model.diskIsSuspect) return;
    // A segment that is being removed counts for some moments more.
    expect(await world.life.logger.room(model.isHealthy ? SOON_MS : 1000)).toBe(true);
  }

  /** Nearly, or with this one more. */
  private isFull({ length }: Draft): boolean {
    const { setup, life } = this.world;
    if (setup.durability !== 'memory') return this.world.spoolBytes() + length >= setup.maxSpoolBytes / 2;
    const { queued } = life.logger.stats();
    const newest = [...this.model.taken.values()].slice(-queued);
    const bytes = newest.reduce((sum, { text }) => sum + text.length + 1000, length);
    return queued >= setup.maxEvents || bytes >= setup.maxBytes / 2;
  }

  private expectDelivered(events: readonly Taken[]): void {
    const missing = new Set(this.unsettled().map(({ id }) => id));
    for (const taken of events) if (!taken.mayBeLost) expect([taken, missing.has(taken.id)]).toEqual([taken, false]);
  }
}

import { expect } from '@jest/globals';
import { AuditError } from '#audit';
import { type Life } from './life.js';
import { type Model, type Taken } from './model.js';
import { outcomeOf } from './outcome.js';
import { type World } from './world.js';

/** A record to come: how long its text is, of which characters, and whether the sink can ever take it. */
export interface Draft {
  length: number;
  character: string;
  poison: boolean;
}

/** Long enough for any pause between two attempts, on a busy machine too. */
export const SOON_MS = 20_000;

interface Asked {
  life: Life;
  taken: Taken;
  durable: Promise<void>;
  /** Whether the disk was out of order at the time, and how often it had been. */
  diskWasSuspect: boolean;
  troubles: number;
}

/** Records, a turn of the event loop at a time, and holds the answers against the model. */
export class Turns {
  /** What the newest turn that took anything was told. */
  private newest: Asked[] = [];

  constructor(
    private readonly model: Model,
    private readonly world: World,
  ) {}

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
    if (asked.length > 0) this.newest = asked;
    // What the turn has recorded is in the file then, and counts.
    if (refusals.length > 0) await new Promise(setImmediate);
    for (const { refusal, draft } of refusals) await this.judge(refusal, draft);
  }

  /** Every receipt of the newest turn has its answer soon, unless only the sink can give it and does not. */
  async awaitNewest(): Promise<void> {
    const { world, model } = this;
    const mustAnswer = world.setup.async || model.isHealthy;
    for (const { life, durable, taken, diskWasSuspect, troubles } of this.newest) {
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

  private recordOne({ length, character, poison }: Draft): Asked {
    const { world, model } = this;
    const { life } = world;
    const n = world.records++;
    const text = character.repeat(Math.floor(length / character.length));
    const { id, timestamp, sequence, durable } = life.logger.record({
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
    const { life } = world;
    if (life.isOver) return;
    if (refusal.code === 'audit_closed') return expect(model.state).not.toBe('open');
    expect(model.state).toBe('open');
    model.refused++;
    if (refusal.code === 'audit_disk_refused')
      return expect([refusal.message, model.diskIsSuspect]).toEqual([refusal.message, true]);
    expect(refusal.code).toBe('audit_queue_full');
    if (this.isFull(draft) || model.diskIsSuspect) return;
    // A segment that is being removed counts for some moments more.
    const hasRoom = await life.logger.room(SOON_MS);
    // A crash that was to come may have come while this waited.
    expect([life.logger.stats(), hasRoom || life.isOver]).toEqual([expect.anything(), true]);
  }

  /** Nearly, or with this one more. */
  private isFull({ length }: Draft): boolean {
    const { world } = this;
    const { setup, life } = world;
    if (setup.durability !== 'memory') return world.spoolBytes() + length >= setup.maxSpoolBytes / 2;
    const { queued } = life.logger.stats();
    // At most so much: which of them they are cannot be told. What an earlier run was told too late that the sink has, is in the queue again.
    const sizes = [...this.model.taken.values()]
      .filter(({ id }) => !life.connection.confirmed.has(id))
      .map(({ text }) => Buffer.byteLength(text) + 1000);
    const most = sizes.toSorted((one, other) => other - one).slice(0, queued);
    const bytes = most.reduce((sum, size) => sum + size, length);
    return queued >= setup.maxEvents || bytes >= setup.maxBytes / 2;
  }
}

import { describe, expect, it } from '@jest/globals';
import { runModel, withPlay, type Pin } from './model/run-model.js';
import { type Setup } from './model/setup.js';
import { type Draft } from './model/turns.js';

/** A run waits most of its time, for pauses between attempts: some go on beside each other. */
const LANES = 8;
const RUNS_PER_LANE = 25;

/** Counterexamples that were found, as a failure prints them. They hold as long as the steps are generated as they were then. */
const PINNED: Pin[] = [{ seed: 1207221047, path: '4', replayPath: ':' }];

describe('the audit logger, held against a simple model', () => {
  for (const pin of PINNED) it(`stands what seed ${pin.seed} has found`, () => runModel(1, pin));

  it('loses nothing, doubles nothing and keeps the order, whatever is done to it', async () => {
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, () => runModel(RUNS_PER_LANE)));
    for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason;
  }, 300_000);
});

/** In words, so that they hold for any steps. */
describe('what the model has found', () => {
  const setup: Setup = {
    durability: 'process',
    async: true,
    maxEvents: 50,
    maxBytes: 1024 * 1024,
    maxSpoolBytes: 128 * 1024,
    batchSize: 10,
    flushIntervalMs: 1,
    concurrency: 1,
  };
  const events = (count: number, length = 0): Draft[] =>
    Array.from({ length: count }, () => ({ length, character: 'a', poison: false }));

  it('a flush after a close that left something behind says so, and does not wait for ever', () =>
    withPlay(setup, async (play) => {
      play.sink('hung');
      await play.record(events(1));
      await play.close(false);
      await play.flush();
      await expect(play.world.life.logger.flush()).rejects.toMatchObject({ code: 'audit_not_durable' });
    }));

  it('a flush after a close hands nothing to a sink that is closed', () =>
    withPlay({ ...setup, batchSize: 1, concurrency: 2 }, async (play) => {
      await play.record(events(3));
      play.sink('lossy');
      await play.close(false);
      await play.flush();
      expect(play.world.life.connection.violations).toEqual([]);
    }));

  it('a write that the disk has cut off is damage to the next logger, though the sink has its records and the close was well', () =>
    withPlay(setup, async (play) => {
      play.diskRefuses('ENOSPC', 0.5);
      await play.record(events(2));
      await play.awaitTurn();
      play.diskRefuses('EIO', 0.5);
      await play.close(true);
      play.invariants.check();
      await play.open();
      await play.diskTakes(true);
      await play.flush();
      expect(play.world.life.logger.stats()).toMatchObject({ damaged: 1 });
      play.invariants.check();
    }));

  it('a segment that was delivered before the disk took it makes room like any other', () =>
    withPlay(setup, async (play) => {
      play.diskRefuses('ENOSPC', 0);
      await play.record(events(6, 20_000));
      await play.flush();
      await play.diskTakes(true);
    }));
});

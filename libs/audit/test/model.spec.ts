import { describe, it } from '@jest/globals';
import { runModel, type Pin } from './model/run-model.js';

/** A run waits most of its time, for pauses between attempts: some go on beside each other. */
const LANES = 8;
const RUNS_PER_LANE = 15;

/** Each was a bug once. */
const PINNED: Pin[] = [];

describe('the audit logger, held against a simple model', () => {
  for (const pin of PINNED) it(`stands what seed ${pin.seed} has found`, () => runModel(1, pin));

  it('loses nothing, doubles nothing and keeps the order, whatever is done to it', async () => {
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, () => runModel(RUNS_PER_LANE)));
    for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason;
  }, 300_000);
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FENCED } from '../src/core/fence/fence.js';
import { type Side } from '../src/core/side.js';
import { reverse } from '../src/core/switch/reverse.js';
import { type StepName } from '../src/core/switch/steps.js';
import { switchWrites } from '../src/core/switch/switch-writes.js';
import { patiently } from './support/patiently.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase({ service: { strategy: 'dual-write' } });
});
afterAll(() => one?.drop());

/** Sides that a participant could write the half of a dual write to. */
async function takeHalves(): Promise<Side[]> {
  const sides: Side[] = [];
  for (const side of ['source', 'target'] as const) {
    const client = await one.move.databases[side].connect();
    try {
      await client.query(`BEGIN; SET LOCAL decomposition.dual = 'on'; UPDATE item SET amount = amount WHERE id = 1`);
      sides.push(side);
    } catch (error) {
      expect(error).toMatchObject({ code: FENCED });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  }
  return sides;
}

describe('a switch of services that write both sides', () => {
  it('lets no half in while nobody may write, and halves of the other side again afterwards', async () => {
    const during: Partial<Record<StepName, Side[]>> = {};
    const onStep = async (step: StepName): Promise<void> => {
      if (step === 'drain' || step === 'verify-delta') during[step] = await takeHalves();
    };
    expect(await takeHalves()).toEqual(['source', 'target']);
    const options = { tools: one.tools, onStep, pauseTimeoutMs: 20_000 };
    await patiently(() => switchWrites(one.move, options));
    expect(during).toEqual({ drain: [], 'verify-delta': [] });
    expect(await takeHalves()).toEqual(['source', 'target']);
    expect(await one.openSides()).toEqual(['target']);
    await patiently(() => reverse(one.move, options));
    expect(during).toEqual({ drain: [], 'verify-delta': [] });
    expect(await takeHalves()).toEqual(['source', 'target']);
    expect(await one.openSides()).toEqual(['source']);
  });
});

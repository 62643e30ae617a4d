import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SWITCH_STEPS, type StepName } from '../src/core/switch/steps.js';
import { switchWrites } from '../src/core/switch/switch-writes.js';
import { reverse } from '../src/core/switch/reverse.js';
import { compare } from './support/plain-tools.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase();
});
afterAll(() => one?.drop());

/** A kill, as far as the run can tell. */
class Killed extends Error {}

describe('switch-writes', () => {
  it('lets the target take the writes, and reverse the source', async () => {
    const a = one.standIn('a');
    const report = await switchWrites(one.move, { tools: one.tools });
    expect(report).toMatchObject({ did: 'switched', participants: 1 });
    expect(report.steps.map(({ step }) => step)).toEqual([...SWITCH_STEPS]);
    expect(report.pause_ms).toBeLessThan(1000);
    expect(await one.openSides()).toEqual(['target']);
    expect(await one.hasKey()).toBe(false);
    await a.write('INSERT INTO item (account, amount) VALUES (3, $1)', [999]);
    const back = await reverse(one.move, { tools: one.tools });
    expect(back).toMatchObject({ did: 'reversed', participants: 1 });
    expect(await one.openSides()).toEqual(['source']);
    expect(await one.hasKey()).toBe(true);
    expect((await one.source.query('SELECT FROM item WHERE amount = 999')).rowCount).toBe(1);
    expect(await compare(one.move, 'source')).toEqual([]);
    await a.close();
  });

  it.each(
    SWITCH_STEPS.flatMap(
      (step) =>
        [
          [step, 'again'],
          [step, 'reverse'],
        ] as const,
    ),
  )('killed after %s and run %s, it converges', async (step, how) => {
    const onStep = async (done: StepName): Promise<void> => {
      expect((await one.openSides()).length).toBeLessThan(2);
      if (done === step) throw new Killed();
    };
    await expect(switchWrites(one.move, { tools: one.tools, onStep })).rejects.toThrow(Killed);
    const verb = how === 'again' ? switchWrites : reverse;
    await verb(one.move, { tools: one.tools });
    const state = await one.move.state.read();
    expect(await one.openSides()).toEqual([state.writes]);
    expect(state.phase).toBe(how === 'again' ? 'switched' : 'in_step');
    if (how === 'again') await reverse(one.move, { tools: one.tools });
    expect(await compare(one.move, 'source')).toEqual([]);
  });
});

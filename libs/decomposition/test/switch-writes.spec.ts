import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { reverse } from '../src/core/switch/reverse.js';
import { SWITCH_STEPS, type StepName } from '../src/core/switch/steps.js';
import { switchWrites } from '../src/core/switch/switch-writes.js';
import { patiently } from './support/patiently.js';
import { compare } from './support/plain-tools.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase();
});
afterAll(() => one?.drop());

const options = () => ({ tools: one.tools, pauseTimeoutMs: 20_000 });

/** A kill, as far as the run can tell. */
class Killed extends Error {}

describe('switch-writes', () => {
  it('lets the target take the writes, and the source follow', async () => {
    const standIn = one.standIn('a');
    await waitFor('it to take part', async () => {
      return (await one.target.query('SELECT FROM decomposition.instances')).rowCount === 1;
    });
    const report = await patiently(() => switchWrites(one.move, options()));
    expect(report).toMatchObject({ did: 'switched', participants: 1 });
    expect(report.steps.map(({ step }) => step)).toEqual([...SWITCH_STEPS]);
    expect(report.pause_ms).toEqual(expect.any(Number));
    expect(await one.openSides()).toEqual(['target']);
    expect(await one.move.state.read()).toMatchObject({ phase: 'switched', writes: 'target', pausedFor: null });
    // Numbers go on where the source was.
    await standIn.write('INSERT INTO item (account, amount) VALUES (3, $1)', [999]);
    const { rows } = await one.target.query<{ id: number }>('SELECT id::int FROM item WHERE amount = 999');
    expect(rows).toEqual([{ id: 51 }]);
    await one.streams.open(one.move, 'target').catchUp(20_000, one.move.signal);
    expect(await compare(one.move, 'target')).toEqual([]);
    expect(await switchWrites(one.move, { tools: one.tools })).toMatchObject({ did: 'nothing' });
    await standIn.close();
  });

  it('cuts the foreign keys that the split cuts, and reverse makes them again', async () => {
    expect(await one.hasKey()).toBe(false);
    // What refers to it lives elsewhere now.
    await one.source.query('INSERT INTO account VALUES (100); DELETE FROM account WHERE id = 100');
    await reverse(one.move, options());
    expect(await one.hasKey()).toBe(true);
    const { rows } = await one.source.query(`SELECT convalidated FROM pg_constraint WHERE conname = 'item_account'`);
    expect(rows).toEqual([{ convalidated: true }]);
    const noted = await one.target.query(`SELECT present FROM decomposition.deferred WHERE name = 'item_account'`);
    expect(noted.rows).toEqual([{ present: true }]);
  });

  it('says in a dry run what it would do', async () => {
    const { epoch } = await one.move.state.read();
    const report = await switchWrites(one.move, { tools: one.tools, dryRun: true });
    expect(report).toMatchObject({ did: 'nothing', would: 'let the target of thing take the writes', steps: [] });
    expect(report.gates.map(({ ok }) => ok)).not.toContain(false);
    expect(await one.move.state.read()).toMatchObject({ epoch, phase: 'in_step' });
  });

  it.each(SWITCH_STEPS.flatMap((step) => ['again', 'reverse'].map((how) => [step, how])))(
    'killed after %s and run %s, it converges',
    async (step, how) => {
      const onStep = async (done: StepName): Promise<void> => {
        expect((await one.openSides()).length).toBeLessThan(2);
        if (done === step) throw new Killed();
      };
      await expect(switchWrites(one.move, { ...options(), onStep })).rejects.toThrow(Killed);
      const verb = how === 'again' ? switchWrites : reverse;
      await verb(one.move, options());
      const state = await one.move.state.read();
      expect(await one.openSides()).toEqual([state.writes]);
      expect(state.phase).toBe(how === 'again' ? 'switched' : 'in_step');
      if (how === 'again') await reverse(one.move, options());
      expect(await one.hasKey()).toBe(true);
      expect(await compare(one.move, 'source')).toEqual([]);
    },
  );
});

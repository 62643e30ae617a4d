import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Move } from '../src/core/move.js';
import { reverse as reverseAtOnce, type ReverseOptions } from '../src/core/switch/reverse.js';
import { type SwitchReport } from '../src/core/switch/report.js';
import { REVERSE_STEPS, type StepName } from '../src/core/switch/steps.js';
import { switchWrites } from '../src/core/switch/switch-writes.js';
import { patiently } from './support/patiently.js';
import { compare } from './support/plain-tools.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase();
});
afterAll(() => one?.drop());

class Killed extends Error {}

const CATCH_UP_MS = 20_000;
const reverse = (move: Move, options: ReverseOptions): Promise<SwitchReport> =>
  patiently(() => reverseAtOnce(move, { pauseTimeoutMs: 20_000, ...options }));

describe('reverse in step', () => {
  it('takes the reads back', async () => {
    await one.move.state.change({ readPercent: 50 });
    expect(await reverse(one.move, { tools: one.tools })).toMatchObject({ did: 'reads_back', pause_ms: null });
    expect(await one.move.state.read()).toMatchObject({ readPercent: 0, phase: 'in_step' });
    expect(await reverse(one.move, { tools: one.tools })).toMatchObject({ did: 'nothing' });
  });

  it.each(['created', 'copying', 'completed'] as const)('is refused in phase %s', async (phase) => {
    const writes = phase === 'completed' ? 'target' : 'source';
    await one.move.state.change({ phase, writes });
    try {
      await expect(reverse(one.move, { tools: one.tools })).rejects.toMatchObject({ code: 'refused' });
    } finally {
      await one.move.state.change({ phase: 'in_step', writes: 'source' });
    }
  });
});

describe('reverse after a switch', () => {
  beforeEach(async () => {
    if ((await one.move.state.read()).phase !== 'in_step') return;
    await one.streams.open(one.move, 'source').catchUp(CATCH_UP_MS, one.move.signal);
    await patiently(() => switchWrites(one.move, { tools: one.tools, pauseTimeoutMs: 20_000 }));
  });

  it('brings every row back that was written since', async () => {
    const standIn = one.standIn('a');
    try {
      for (let i = 0; i < 20; i += 1)
        await standIn.write('INSERT INTO item (account, amount) VALUES (1, $1)', [5000 + i]);
      await standIn.write('DELETE FROM item WHERE id = $1', [50]);
      await standIn.write(`UPDATE entry SET text = 'new' WHERE id = $1`, [3]);
      const report = await reverse(one.move, { tools: one.tools });
      expect(report).toMatchObject({ did: 'reversed', participants: 1 });
      expect(report.steps.map(({ step }) => step)).toEqual([...REVERSE_STEPS]);
      expect(await one.move.state.read()).toMatchObject({ phase: 'in_step', writes: 'source', readPercent: 0 });
      expect((await one.source.query('SELECT FROM item WHERE amount >= 5000')).rowCount).toBe(20);
      expect((await one.source.query('SELECT FROM item WHERE id = 50')).rowCount).toBe(0);
      // Numbers go on, and the target follows again.
      await standIn.write('INSERT INTO item (account, amount) VALUES (1, $1)', [6000]);
      await one.streams.open(one.move, 'source').catchUp(CATCH_UP_MS, one.move.signal);
      expect(await compare(one.move, 'source')).toEqual([]);
    } finally {
      await standIn.close();
    }
  });

  it('is refused when the source does not follow', async () => {
    await one.streams.open(one.move, 'target').end();
    try {
      await expect(reverse(one.move, { tools: one.tools })).rejects.toMatchObject({ code: 'refused' });
      expect(await one.openSides()).toEqual(['target']);
    } finally {
      await one.streams.open(one.move, 'target').capture();
    }
  });

  it('names what an instance that does not pause is called, and goes on without it by force', async () => {
    const stubborn = one.standIn('stubborn', true);
    try {
      await stubborn.write('UPDATE item SET amount = 1 WHERE id = $1', [1]);
      await expect(reverse(one.move, { tools: one.tools, pauseTimeoutMs: 2000 })).rejects.toMatchObject({
        code: 'refused',
        message: expect.stringMatching(/^stubborn did not pause/),
      });
      expect(await one.openSides()).toEqual(['target']);
      expect(await reverse(one.move, { tools: one.tools, force: true })).toMatchObject({ did: 'reversed' });
    } finally {
      await stubborn.close();
    }
  });

  it('is taken back when the sides differ', async () => {
    const found = [{ table: 'public.item', key: ['7'], kind: 'changed', detail: 'amount' }];
    const tools = { ...one.tools, verifyDelta: async () => found };
    await expect(reverse(one.move, { tools })).rejects.toMatchObject({ code: 'different' });
    expect(await one.openSides()).toEqual(['target']);
    expect(await one.move.state.read()).toMatchObject({ phase: 'switched', writes: 'target' });
    await one.target.query('UPDATE item SET amount = amount + 1');
    await one.streams.open(one.move, 'target').catchUp(CATCH_UP_MS, one.move.signal);
    expect(await compare(one.move, 'target')).toEqual([]);
  });

  it('tells of rows that break a foreign key which was cut, and lets them be', async () => {
    await one.target.query('INSERT INTO item (id, account, amount) VALUES (7000, 77, 1)');
    const notes: string[] = [];
    const move = one.reopen({ progress: { note: (text) => notes.push(text), at: () => undefined } });
    expect(await reverse(move, { tools: one.tools })).toMatchObject({ did: 'reversed' });
    expect(notes).toEqual([expect.stringContaining('item_account of public.item')]);
    await expect(one.source.query('INSERT INTO item (account, amount) VALUES (78, 1)')).rejects.toThrow('foreign key');
    await one.source.query('DELETE FROM item WHERE id = 7000');
  });

  it.each(REVERSE_STEPS.map((step) => [step]))('killed after %s, it converges when it is run again', async (step) => {
    const onStep = async (done: StepName): Promise<void> => {
      expect((await one.openSides()).length).toBeLessThan(2);
      if (done === step) throw new Killed();
    };
    await expect(reverse(one.move, { tools: one.tools, onStep })).rejects.toThrow(Killed);
    // Somebody who does not take part may be quicker.
    const [open] = await one.openSides();
    if (open) await one.move.databases[open].query('INSERT INTO item (account, amount) VALUES (2, 8000)');
    await reverse(one.move, { tools: one.tools });
    expect(await one.openSides()).toEqual(['source']);
    expect(await one.hasKey()).toBe(true);
    await one.streams.open(one.move, 'source').catchUp(CATCH_UP_MS, one.move.signal);
    expect(await compare(one.move, 'source')).toEqual([]);
  });
});

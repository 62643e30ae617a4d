import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { type SplitError } from '../src/core/errors.js';
import { reverse } from '../src/core/switch/reverse.js';
import { type StepName } from '../src/core/switch/steps.js';
import { switchWrites, type SwitchWritesOptions } from '../src/core/switch/switch-writes.js';
import { compare } from './support/plain-tools.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase();
});
afterAll(() => one?.drop());
beforeEach(async () => {
  await one.move.state.change({ verifiedAt: new Date() });
});
/** Whatever went wrong, all is as before, and the switch works. */
afterEach(async () => {
  one.streams.release();
  expect(await one.move.state.read()).toMatchObject({ phase: 'in_step', writes: 'source', pausedFor: null });
  expect(await one.openSides()).toEqual(['source']);
  expect(await one.hasKey()).toBe(true);
  await one.source.query('UPDATE item SET amount = amount + 1');
  await one.streams.open(one.move, 'source').catchUp(5000, one.move.signal);
  expect(await compare(one.move, 'source')).toEqual([]);
  const left = await one.target.query(`SELECT to_regclass('decomposition.test_stream') AS stream`);
  expect(left.rows).toEqual([{ stream: null }]);
});

async function refusal(options: Partial<SwitchWritesOptions> = {}): Promise<SplitError> {
  const run = switchWrites(one.move, { tools: one.tools, pauseTimeoutMs: 1000, ...options });
  return run.then(
    () => {
      throw new Error('it was not refused');
    },
    (error: unknown) => error as SplitError,
  );
}

/** Does something right after a step. */
function after(step: StepName, work: () => void | Promise<void>): (done: StepName) => Promise<void> {
  return async (done) => {
    if (done === step) await work();
  };
}

async function loseTurn(): Promise<void> {
  await one.target.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'gravitas-split switch%'`,
  );
}

describe('switch-writes is refused', () => {
  it('before anything is paused, with all gates that do not hold', async () => {
    await one.move.state.change({ verifiedAt: null });
    const { epoch } = await one.move.state.read();
    const tools = { ...one.tools, driftOf: async () => ['item has one column more'] };
    const error = await refusal({ tools });
    expect(error).toMatchObject({ code: 'refused' });
    expect(error.message).toMatch(/verified \(.*schema \(item has one column more\)/);
    // It made an epoch of its own, and nothing else.
    expect((await one.move.state.read()).epoch).toBe(epoch + 1);
  });

  it('when the sides differ', async () => {
    await one.target.query(
      'BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM item WHERE id = 9; COMMIT',
    );
    const error = await refusal();
    expect(error).toMatchObject({ code: 'different' });
    expect(error.message).toContain('public.item (9): missing');
    await one.source.query('UPDATE item SET amount = amount WHERE id = 9');
  });

  it('when an instance does not pause, and names it', async () => {
    const good = one.standIn('good');
    const stubborn = one.standIn('stubborn', true);
    const error = await refusal({ pauseTimeoutMs: 2000 });
    expect(error).toMatchObject({ code: 'refused' });
    expect(error.message).toMatch(/^stubborn did not pause/);
    await good.write('INSERT INTO item (account, amount) VALUES (1, $1)', [1]);
    await Promise.all([good.close(), stubborn.close()]);
  });

  it('while a reverse is under way', async () => {
    await one.target.query(
      `UPDATE decomposition.moves SET phase = 'switched', writes = 'paused', paused_for = 'reverse'`,
    );
    expect(await refusal()).toMatchObject({ code: 'refused', next: 'Run `reverse` to finish it.' });
    await one.target.query(`UPDATE decomposition.moves SET phase = 'in_step', writes = 'source', paused_for = NULL`);
  });
});

describe('switch-writes is taken back', () => {
  it('when a transaction on the source does not end', async () => {
    const client = await one.source.connect();
    await client.query('BEGIN; UPDATE item SET amount = amount WHERE id = 1');
    const run = refusal({ pauseTimeoutMs: 2000 });
    expect(await run).toMatchObject({ code: 'timeout', next: expect.stringContaining('pg_stat_activity') });
    await client.query('ROLLBACK');
    client.release();
  });

  it('when the stream does not drain', async () => {
    await one.source.query('UPDATE item SET amount = amount + 1');
    const onStep = after('pause', async () => {
      await one.streams.hold('source');
      await one.source.query('UPDATE item SET amount = amount + 1 WHERE id = 2');
    });
    const error = await refusal({ onStep, pauseTimeoutMs: 2000 });
    expect(error).toMatchObject({ code: 'timeout', message: 'The stream from the source is behind.' });
  });

  it.each(['advanceSequences', 'verifyDelta'] as const)('when %s takes too long', async (name) => {
    const began = Date.now();
    const never = (): Promise<never> => new Promise(() => undefined);
    const error = await refusal({ tools: { ...one.tools, [name]: never }, pauseTimeoutMs: 2000 });
    expect(error).toMatchObject({ code: 'timeout' });
    expect(Date.now() - began).toBeLessThan(20_000);
  });

  it('when the last comparison finds something', async () => {
    const found = [{ table: 'public.item', key: ['7'], kind: 'changed', detail: 'amount' }];
    const error = await refusal({ tools: { ...one.tools, verifyDelta: async () => found } });
    expect(error).toMatchObject({ code: 'different' });
    expect(error.message).toContain('public.item (7): changed, amount');
  });

  it('when the run is told to stop', async () => {
    const stop = new AbortController();
    const move = one.reopen({ signal: stop.signal });
    const run = switchWrites(move, { tools: one.tools, onStep: after('fence-source', () => stop.abort()) });
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('by the next run, when this one loses its turn', async () => {
    const error = await refusal({ onStep: after('hand-over', loseTurn) });
    expect(error).toMatchObject({ code: 'interrupted' });
    expect(await one.openSides()).toEqual([]);
    await reverse(one.move, { tools: one.tools });
  });
});

describe('a run that has lost its turn without noticing', () => {
  it('cannot open a side any more', async () => {
    let goOn: () => void = () => undefined;
    let stalled = false;
    const stall = new Promise<void>((resolve) => (goOn = resolve));
    const tools = {
      ...one.tools,
      verifyDelta: async () => {
        stalled = true;
        await stall;
        return [];
      },
    };
    const stale = switchWrites(one.move, { tools, pauseTimeoutMs: 20_000 }).catch((error: unknown) => error);
    await waitFor('the run to stall', () => stalled);
    await loseTurn();
    await switchWrites(one.reopen(), { tools: one.tools });
    goOn();
    expect(await stale).toMatchObject({ code: 'interrupted' });
    expect(await one.openSides()).toEqual(['target']);
    await reverse(one.move, { tools: one.tools });
  });
});

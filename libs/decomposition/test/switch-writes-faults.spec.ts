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
  await one.streams.open(one.move, 'source').catchUp(20_000, one.move.signal);
  expect(await compare(one.move, 'source')).toEqual([]);
  const left = await one.target.query(`SELECT to_regclass('decomposition.test_stream') AS stream`);
  expect(left.rows).toEqual([{ stream: null }]);
});

async function refusal(options: Partial<SwitchWritesOptions> = {}): Promise<SplitError> {
  const run = switchWrites(one.move, { tools: one.tools, pauseTimeoutMs: 20_000, ...options });
  return run.then(
    () => {
      throw new Error('it was not refused');
    },
    (error: unknown) => error as SplitError,
  );
}

/** Runs it until it ends for that reason: with the little time that it has, a machine that stands still is another one. */
async function refusalFor(reason: RegExp, options: Partial<SwitchWritesOptions>): Promise<SplitError> {
  const read = async (): Promise<SplitError | undefined> => {
    one.streams.release();
    const error = await refusal({ pauseTimeoutMs: 2000, ...options });
    return reason.test(`${error.message} ${error.next}`) ? error : undefined;
  };
  return waitFor(`a refusal because of ${reason.source}`, read, 20_000);
}

/** Does something right after a step. */
function after(step: StepName, work: () => void | Promise<void>): (done: StepName) => Promise<void> {
  return async (done) => {
    if (done === step) await work();
  };
}

async function loseTurn(): Promise<void> {
  await one.target.query(
    `SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
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
    try {
      await waitFor('both to take part', async () => {
        return (await one.target.query('SELECT FROM decomposition.instances')).rowCount === 2;
      });
      expect(await refusalFor(/^stubborn did not pause/, {})).toMatchObject({ code: 'refused' });
      await good.write('INSERT INTO item (account, amount) VALUES (1, $1)', [1]);
    } finally {
      await Promise.all([good.close(), stubborn.close()]);
    }
  });

  it('while a reverse is under way', async () => {
    await one.target.query(
      `UPDATE decomposition.moves SET phase = 'switched', writes = 'paused', paused_for = 'reverse'`,
    );
    const error = await refusal();
    await one.target.query(`UPDATE decomposition.moves SET phase = 'in_step', writes = 'source', paused_for = NULL`);
    expect(error).toMatchObject({ code: 'refused', next: 'Run `reverse` to finish it.' });
  });
});

describe('switch-writes is taken back', () => {
  it('when a transaction on the source does not end', async () => {
    const client = await one.source.connect();
    try {
      await client.query('BEGIN; UPDATE item SET amount = amount WHERE id = 1');
      expect(await refusalFor(/pg_stat_activity/, {})).toMatchObject({ code: 'timeout' });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it('when the stream does not drain', async () => {
    await one.source.query('UPDATE item SET amount = amount + 1');
    const onStep = after('pause', async () => {
      await one.streams.hold('source');
      await one.source.query('UPDATE item SET amount = amount + 1 WHERE id = 2');
    });
    expect(await refusalFor(/^The stream from the source is behind\./, { onStep })).toMatchObject({ code: 'timeout' });
  });

  it.each(['advanceSequences', 'verifyDelta'] as const)('when %s takes too long', async (name) => {
    const never = (): Promise<never> => new Promise(() => undefined);
    const error = await refusal({ tools: { ...one.tools, [name]: never }, pauseTimeoutMs: 2000 });
    expect(error).toMatchObject({ code: 'timeout' });
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
    const onStep = after('fence-source', () => stop.abort());
    const run = switchWrites(move, { tools: one.tools, pauseTimeoutMs: 20_000, onStep });
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('by the next run, when this one loses its turn', async () => {
    const error = await refusal({ onStep: after('hand-over', loseTurn) });
    expect(error).toMatchObject({ code: 'interrupted' });
    expect(await one.openSides()).toEqual([]);
    await reverse(one.move, { tools: one.tools, pauseTimeoutMs: 20_000 });
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
    await switchWrites(one.reopen(), { tools: one.tools, pauseTimeoutMs: 20_000 });
    goOn();
    expect(await stale).toMatchObject({ code: 'interrupted' });
    expect(await one.openSides()).toEqual(['target']);
    await reverse(one.move, { tools: one.tools, pauseTimeoutMs: 20_000 });
  });
});

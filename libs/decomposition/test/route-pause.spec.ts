import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { waitFor } from '#testing';
import { withIntent } from '../src/route/intent.js';
import { notesMove, type NotesMove, type Participant } from './support/participant.js';

describe('a pause, as an instance that takes part sees it', () => {
  let notes: NotesMove;
  let instance: Participant;

  beforeEach(async () => {
    notes = await notesMove();
    instance = await notes.join();
  });

  afterEach(() => notes.drop());

  const row = async (): Promise<{ epoch: number; paused: boolean } | undefined> =>
    (
      await notes.small.target.query<{ epoch: number; paused: boolean }>(
        'SELECT epoch::int, paused FROM decomposition.instances WHERE instance = $1',
        [instance.participation.instance],
      )
    ).rows[0];

  it('is acknowledged only when the last writer has left, and then nothing writes', async () => {
    const writer = await instance.pool.connect();
    let waiting: Promise<string>;
    try {
      await writer.query("BEGIN; INSERT INTO notes VALUES ('first', '')");
      const { epoch } = await notes.small.move.state.change({ writes: 'paused', pausedFor: 'switch' });
      await waitFor('the instance to act by the pause', async () => (await row())?.epoch === epoch);
      expect(await row()).toEqual({ epoch, paused: false });

      waiting = instance.note();
      waiting.catch(() => undefined);
      await waitFor('a writer at the gate', () => instance.participation.report().writes_waiting === 1);
      expect(await row()).toEqual({ epoch, paused: false });
      await writer.query('COMMIT');
    } finally {
      writer.release();
    }
    await waitFor('the acknowledgement', async () => (await row())?.paused);
    expect(await notes.ids('source')).toEqual(['first']);

    await notes.tool.resume('source');
    const id = await waiting;
    expect(await notes.ids('source')).toEqual([id, 'first'].sort());
    expect(instance.participation.report()).toMatchObject({ writes_waiting: 0, waited_ms: { count: 1 } });
  });

  it('lets writers go on in the target, and back, without one that fails or is lost', async () => {
    const written: string[] = [];
    const stop = new AbortController();
    const writer = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        written.push(await instance.note());
        await sleep(1);
      }
    };
    const second = await notes.join();
    const writers = [writer(), writer(), writer()];
    const other = (async () => {
      while (!stop.signal.aborted) {
        written.push(await second.note());
        await sleep(1);
      }
    })();
    const progress = async (): Promise<void> => {
      const before = written.length;
      await waitFor('more notes', () => written.length > before + 20);
    };
    try {
      await progress();
      await notes.tool.flip('target');
      await progress();
      await notes.tool.flip('source');
      await progress();
      await notes.tool.flip('target');
      await progress();
    } finally {
      stop.abort();
    }
    await Promise.all([...writers, other]);
    expect(await notes.ids('target')).toEqual(written.sort());
    expect(instance.participation.stats.fenced + second.participation.stats.fenced).toBe(0);
  });

  it('does not hold up readers', async () => {
    await notes.tool.pause('switch');
    const { rows } = await withIntent({ kind: 'read', key: 'a' }, () => instance.pool.query('SELECT 1 AS one'));
    expect(rows).toEqual([{ one: 1 }]);
  });

  it('ends sessions, whose owners get others on the new side', async () => {
    const open = (): Promise<pg.Client> => instance.participation.openSession({ application_name: 'held' }, notes.urls);
    const session = await open();
    const database = async (client: pg.Client): Promise<string> =>
      (await client.query<{ name: string }>('SELECT current_database() AS name')).rows[0]!.name;
    expect(notes.urls.source).toContain(await database(session));
    const ended = new Promise((resolve) => session.once('end', resolve));
    await notes.tool.pause('switch');
    await ended;
    await expect(session.query('SELECT 1')).rejects.toThrow();
    const next = open();
    await notes.tool.resume('target');
    expect(notes.urls.target).toContain(await database(await next));
    await (await next).end();
  });

  it('is bounded: a writer that has waited for the limit is told to come back', async () => {
    const hasty = await notes.join({ pauseLimitMs: 50 });
    await notes.tool.pause('switch');
    await expect(hasty.note()).rejects.toMatchObject({ kind: 'unavailable', code: 'database_moving', retryAfter: 1 });
    await waitFor('the pause to be too long', () => hasty.participation.pausedMs > hasty.participation.pauseLimitMs);
    await notes.tool.resume('source');
    await waitFor('the end of the pause', () => hasty.participation.move?.writes === 'source');
    await hasty.note();
    expect(hasty.participation.pausedMs).toBe(0);
  });

  it('that ends the instance lets nobody wait on', async () => {
    await notes.tool.pause('switch');
    const waiting = instance.note();
    const session = instance.participation.openSession({}, notes.urls);
    const ended = [expect(waiting).rejects.toThrow(), expect(session).rejects.toThrow()];
    await instance.close();
    await Promise.all(ended);
    // What is asked of a server that stands still is given up, and done all the same.
    await waitFor('the instance to be off the list', async () => !(await row()));
  });
});

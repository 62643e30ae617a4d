import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { waitFor } from '#testing';
import { type MoveChange } from '../src/core/state/move-store.js';
import { withIntent, type Intent } from '../src/route/intent.js';
import { notesMove, type NotesMove, type Participant } from './support/participant.js';

describe('where reads go', () => {
  let notes: NotesMove;
  let instance: Participant;

  beforeEach(async () => {
    notes = await notesMove();
    instance = await notes.join();
  });

  afterEach(() => notes.drop());

  const change = async (what: MoveChange): Promise<void> => {
    const { epoch } = await notes.small.move.state.change(what);
    await waitFor('the instance to know', () => instance.participation.move?.epoch === epoch);
    await instance.fresh();
  };
  const inTarget = async (intent: Intent): Promise<boolean> => {
    await instance.fresh();
    const { rows } = await withIntent(intent, () =>
      instance.pool.query<{ name: string }>('SELECT current_database() AS name'),
    );
    return notes.urls.target.endsWith(rows[0]!.name);
  };
  const reader = (key: string): Intent => ({ kind: 'read', key });
  const keysInTarget = async (keys: readonly string[]): Promise<Set<string>> => {
    const found = new Set<string>();
    for (const key of keys) if (await inTarget(reader(key))) found.add(key);
    return found;
  };

  it('is decided by the key: a share of them, the same ones each time, and more of them when it grows', async () => {
    const keys = Array.from({ length: 300 }, (_, i) => `tenant/ghost-${i}`);
    expect((await keysInTarget(keys)).size).toBe(0);
    await change({ readPercent: 10 });
    const tenth = await keysInTarget(keys);
    expect(tenth.size).toBeGreaterThan(10);
    expect(tenth.size).toBeLessThan(60);
    expect(await keysInTarget(keys)).toEqual(tenth);
    await change({ readPercent: 50 });
    const half = await keysInTarget(keys);
    expect(half.size).toBeGreaterThan(110);
    for (const key of tenth) expect(half.has(key)).toBe(true);
    await change({ readPercent: 100 });
    expect((await keysInTarget(keys)).size).toBe(keys.length);
    const { source, target } = instance.participation.stats.reads;
    expect(source + target).toBe(5 * keys.length);
  });

  it('is counted: the connections that are lent, to the side that has the fewest left', async () => {
    await change({ readPercent: 100 });
    const use = () => instance.participation.report().pool;
    expect(use()).toEqual({ used: 0, size: 5 });
    const readers = await withIntent(reader('somebody'), () =>
      Promise.all([1, 2, 3].map(() => instance.pool.connect())),
    );
    const writer = await instance.pool.connect();
    const most = use();
    for (const client of [...readers, writer]) client.release();
    expect(most).toEqual({ used: 3, size: 5 });
    expect(use()).toEqual({ used: 0, size: 5 });
  });

  it('is the source for whoever wrote lately, for whoever has no key, and for all that does not say it reads', async () => {
    const ownWritesMs = 60_000;
    const hasty = await notes.join({ ownWritesMs });
    await change({ readPercent: 100 });
    await waitFor('the other one to know', () => hasty.participation.move?.readPercent === 100);
    const count = async (key: string): Promise<number> => {
      await hasty.fresh();
      const { rows } = await withIntent(reader(key), () =>
        hasty.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM notes'),
      );
      return rows[0]!.n;
    };
    await withIntent({ kind: 'write', key: 'writer' }, () => hasty.note());
    expect(await count('writer')).toBe(1);
    expect(await count('somebody else')).toBe(0);
    const now = performance.now.bind(performance);
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + ownWritesMs);
    try {
      expect(await count('writer')).toBe(0);
    } finally {
      clock.mockRestore();
    }
    expect(await inTarget({ kind: 'read' })).toBe(false);
    expect(await inTarget({ kind: 'write', key: 'somebody else' })).toBe(false);
  });

  it('is a session in which nothing can be written, where it is not the side that takes writes', async () => {
    await change({ readPercent: 100 });
    await expect(withIntent(reader('a'), () => instance.note())).rejects.toMatchObject({ code: '25006' });
  });

  it('is where writes go once they are switched', async () => {
    await notes.tool.flip('target');
    await waitFor('the instance to know', () => instance.participation.writingSide === 'target');
    expect(await inTarget(reader('a'))).toBe(true);
    await notes.tool.flip('source');
    await waitFor('the instance to know', () => instance.participation.writingSide === 'source');
    expect(await inTarget(reader('a'))).toBe(false);
  });

  it('is never a writer pool, whoever happens to be asking', async () => {
    await change({ readPercent: 100 });
    const pool = instance.participation.createPool({ max: 1 }, notes.urls, 'writes');
    await withIntent(reader('a'), () => pool.query("INSERT INTO notes VALUES ('buffered', '')"));
    await pool.end();
    expect(await notes.ids('source')).toEqual(['buffered']);
  });
});

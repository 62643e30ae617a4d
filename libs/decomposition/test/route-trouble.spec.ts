import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { connectionUrl } from '#database';
import { testPostgresUrl, waitFor } from '#testing';
import { fence } from '../src/core/fence/fence.js';
import { TARGET_SCHEMA } from '../src/core/state/schema.js';
import { withIntent } from '../src/route/intent.js';
import { notesMove, type NotesMove } from './support/participant.js';

describe('an instance that cannot know how the move stands', () => {
  let notes: NotesMove;

  beforeEach(async () => {
    notes = await notesMove();
  });

  afterEach(async () => {
    await allowConnections(true);
    await notes.drop();
  });

  /** As when the target's server is away: nobody gets in, and who was in is out. */
  const allowConnections = async (allowed: boolean): Promise<void> => {
    const name = new URL(notes.urls.target).pathname.slice(1);
    const admin = new pg.Client({ connectionString: testPostgresUrl() });
    await admin.connect();
    try {
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS ${allowed}`);
      if (!allowed)
        await admin.query('SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE datname = $1', [name]);
    } finally {
      await admin.end();
    }
  };

  it('goes to the source while there is no database, no schema, no row; and takes part once there are', async () => {
    const nowhere = connectionUrl(notes.urls.target, { database: 'no_such_database' });
    const early = await notes.join({ targetUrl: nowhere });
    await early.note();

    await notes.small.target.query('DROP SCHEMA decomposition CASCADE');
    const instance = await notes.join();
    await instance.note();
    expect(instance.participation.trouble).toBeUndefined();
    await notes.small.target.query(TARGET_SCHEMA);
    await instance.participation.refresh();
    expect(instance.participation.move).toBeUndefined();
    await notes.small.target.query(
      "INSERT INTO decomposition.moves (service, strategy) VALUES ('thing', 'replication')",
    );
    await waitFor('the instance to take part', () => instance.participation.move?.phase === 'created');
    expect((await notes.ids('source')).length).toBe(2);
  });

  it('is not harmed by a target that is away before the switch, and reads from the source', async () => {
    const instance = await notes.join();
    await notes.small.move.state.change({ readPercent: 100 });
    await waitFor('the instance to know', () => instance.participation.move?.readPercent === 100);
    const read = () => withIntent({ kind: 'read', key: 'a' }, () => instance.pool.query('SELECT 1'));
    await instance.fresh();
    await read();
    expect(instance.participation.stats.reads).toEqual({ source: 0, target: 1 });
    await allowConnections(false);
    // At once, and not only when the state is found to be unreadable.
    await read();
    await instance.note();
    await waitFor('the trouble to be noticed', () => instance.participation.trouble);
    await read();
    expect(instance.participation.stats.reads).toEqual({ source: 2, target: 1 });
    const told = (text: string) => instance.logged.filter(({ message }) => message.includes(text)).length;
    expect(told('cannot be read')).toBe(1 + told('can be read again'));

    await allowConnections(true);
    await instance.fresh();
    await read();
    expect(instance.participation.stats.reads.target).toBe(2);
  });

  it('meets the fence when it missed the switch, writes nothing, looks again, and goes on in the target', async () => {
    const instance = await notes.join();
    await instance.participation['follower']!['feed']!.close();
    await fence(notes.small.source, await notes.small.move.tables('source'), { reason: 'switched' });
    await notes.small.move.state.change({ phase: 'in_step', writes: 'paused', pausedFor: 'switch' });
    await notes.tool.resume('target');

    await expect(instance.note()).rejects.toMatchObject({ code: 'GV001' });
    expect(instance.participation.report().fenced).toBe(1);
    expect(await notes.ids('source')).toEqual([]);
    await waitFor('the instance to have looked', () => instance.participation.writingSide === 'target');
    const id = await instance.note();
    expect(await notes.ids('target')).toEqual([id]);
  });

  it('keeps to the target when the row is taken away after the switch', async () => {
    const instance = await notes.join();
    await notes.tool.flip('target');
    await waitFor('the instance to know', () => instance.participation.writingSide === 'target');
    await notes.small.target.query('DELETE FROM decomposition.moves');
    await instance.participation.refresh();
    expect(instance.participation.writingSide).toBe('target');
  });

  it('says once that it may not report', async () => {
    await notes.small.target.query('DROP TABLE decomposition.instances');
    const instance = await notes.join();
    await instance.participation.refresh();
    expect(instance.logged.filter(({ message }) => message.includes('cannot report'))).toHaveLength(1);
    expect(instance.participation.trouble).toBeUndefined();
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { ChangeFeed, createPool, dataSourceOptions } from '#database';
import { waitFor } from '#testing';
import { notesMove, type NotesMove } from './support/participant.js';

describe('what #database makes for a URL that has a route', () => {
  let notes: NotesMove;

  beforeEach(async () => {
    notes = await notesMove();
    const connections = [{ source: notes.urls.source, target: notes.urls.target }];
    await notes.join({ connections });
  });

  afterEach(() => notes.drop());

  const name = (url: string): string => new URL(url).pathname.slice(1);

  it("goes with the move: TypeORM's connections, which are asked for by callback", async () => {
    const options = dataSourceOptions({
      service: 'thing',
      url: notes.urls.source,
      runtimeRole: 'thing',
      entities: [],
      migrations: [],
    });
    const database = await new DataSource(options).initialize();
    const where = async (): Promise<string> =>
      (await database.query<{ name: string }[]>('SELECT current_database() AS name'))[0]!.name;
    try {
      expect(await where()).toBe(name(notes.urls.source));
      await notes.tool.pause('switch');
      const held = database.transaction((manager) => manager.query("INSERT INTO notes VALUES ('held', '')"));
      await notes.tool.resume('target');
      await held;
      expect(await notes.ids('target')).toEqual(['held']);
      expect(await where()).toBe(name(notes.urls.target));
      await expect(database.query('SELECT nonsense')).rejects.toMatchObject({ code: '42703' });
    } finally {
      await database.destroy();
    }
  });

  it('goes with the move: pools, and feeds of changes, which listen on the new side afterwards', async () => {
    const pool = createPool(notes.urls.source, 'thing', 1, () => undefined);
    let refreshed = 0;
    const feed = await ChangeFeed.open({
      url: notes.urls.source,
      applicationName: 'thing',
      channel: 'things',
      refresh: async () => void refreshed++,
      everyMs: 600_000,
    });
    try {
      await notes.tool.flip('target');
      await waitFor('somebody to listen in the target', async () => {
        const { rows } = await notes.small.target.query(
          'SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query = \'LISTEN "things"\'',
        );
        return rows.length === 1;
      });
      await waitFor('what was said meanwhile to be read', () => refreshed >= 2);
      const before = refreshed;
      await pool.query('NOTIFY things');
      await waitFor('the hint', () => refreshed > before);
    } finally {
      await feed.close();
      await pool.end();
    }
  });

  it('is taken for once: a second instance cannot take the same URL', async () => {
    const connections = [{ source: notes.urls.source, target: notes.urls.target }];
    await expect(notes.join({ connections })).rejects.toThrow('route');
  });
});

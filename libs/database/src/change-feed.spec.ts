import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, waitFor, type TestDatabase } from '#testing';
import { ChangeFeed } from './change-feed.js';

const NEVER_MS = 3_600_000;

describe('a change feed', () => {
  let database: TestDatabase;
  let feed: ChangeFeed | undefined;
  let reads: number;
  const troubles: (string | undefined)[] = [];

  const open = async (everyMs: number, refresh = async () => void reads++) => {
    reads = 0;
    troubles.length = 0;
    const url = database.runtimeUrl;
    const onTrouble = (error: Error | undefined) => void troubles.push(error?.message);
    feed = await ChangeFeed.open({ url, applicationName: 'feed', channel: 'Things', refresh, everyMs, onTrouble });
    return feed;
  };

  beforeAll(async () => {
    database = await createTestDatabase('feed');
  });
  afterEach(() => feed?.close());
  afterAll(() => database.drop());

  it('reads at the start, and on each notification', async () => {
    await open(NEVER_MS);
    await waitFor('the read after LISTEN', () => reads === 2);
    await database.query(`NOTIFY "Things"`);
    await waitFor('the hint', () => reads === 3);
  });

  it('reads every so often without any', async () => {
    await open(20);
    await waitFor('the clock', () => reads >= 5);
  });

  it('reads again when its connection is back', async () => {
    await open(NEVER_MS);
    await waitFor('the read after LISTEN', () => reads === 2);
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'feed-listen'`,
    );
    await waitFor('the next connection', () => reads === 3, 20_000);
    await database.query(`NOTIFY "Things"`);
    await waitFor('the hint', () => reads === 4);
    expect(troubles).toEqual([expect.stringContaining('terminat'), undefined]);
  });

  it('never reads twice at once, and a hint during a read leads to one more', async () => {
    let running = 0;
    let most = 0;
    const opened = await open(NEVER_MS, async () => {
      most = Math.max(most, ++running);
      reads++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      running--;
    });
    await opened.refresh();
    const before = reads;
    await Promise.all(Array.from({ length: 5 }, () => opened.refresh()));
    expect(most).toBe(1);
    expect(reads - before).toBe(2);
  });

  it('says once that it cannot read, goes on, and says when it can', async () => {
    let broken = false;
    const opened = await open(NEVER_MS, async () => {
      if (broken) throw new Error('no answer');
    });
    broken = true;
    await opened.refresh();
    await opened.refresh();
    broken = false;
    await opened.refresh();
    expect(troubles).toEqual(['no answer', undefined]);
  });

  it('refuses to start when the first read fails', async () => {
    await expect(open(NEVER_MS, () => Promise.reject(new Error('no table')))).rejects.toThrow('no table');
  });
});

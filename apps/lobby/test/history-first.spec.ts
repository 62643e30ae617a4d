import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { waitFor } from '#testing';
import { Harness } from './harness.js';

describe('history before the end of the answer', () => {
  let harness: Harness;
  let locker: pg.Client;
  const start = async (environment: Record<string, string> = {}) => {
    harness = await Harness.start(environment);
    locker = new pg.Client({ connectionString: harness.service.database.superuserUrl });
    await locker.connect();
    await locker.query('BEGIN');
    await locker.query('LOCK TABLE history IN ACCESS EXCLUSIVE MODE');
  };
  afterEach(async () => {
    await locker.end();
    await harness.close();
  });

  /** Until the service's INSERT stands before the lock. */
  const insertWaits = () =>
    waitFor('the insert to wait', async () => {
      const { query, name } = harness.service.database;
      return (
        (await query(`SELECT FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'`, [name])).length > 0
      );
    });

  describe('with time to wait', () => {
    beforeEach(() => start({ LOBBY_HISTORY_TIMEOUT_MS: '30000' }));

    it('holds [DONE] back until the history is written, and nothing else', async () => {
      const reader = (await harness.stream('hold')).body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = (await reader.read()).value!;
      harness.router.release();
      const rest = (async () => {
        for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
      })();
      await insertWaits();
      expect(text).toContain('first ');
      expect(text).not.toContain('[DONE]');
      await locker.query('COMMIT');
      await rest;
      expect(text).toContain('[DONE]');
      expect((await harness.history('Scout')).count).toBe(2);
    });

    it('holds a whole answer back until the history is written', async () => {
      let answered = false;
      const answer = harness
        .post('Scout', '/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }] })
        .then(({ status }) => {
          answered = true;
          return status;
        });
      await insertWaits();
      expect(answered).toBe(false);
      await locker.query('COMMIT');
      expect(await answer).toBe(200);
    });
  });

  it('does not hold an answer back for longer than it may, and still writes what is late', async () => {
    await start({ LOBBY_HISTORY_TIMEOUT_MS: '50' });
    const text = await (await harness.stream('echo')).text();
    expect(text).toContain('[DONE]');
    await locker.query('COMMIT');
    await waitFor('the history', async () => (await harness.history('Scout')).count === 2);
  });
});

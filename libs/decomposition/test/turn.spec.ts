import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { takeTurn } from '../src/core/turn.js';
import { smallMove, type SmallMove } from './support/small-move.js';

let small: SmallMove;
beforeAll(async () => {
  small = await smallMove({ ddl: 'CREATE TABLE item (id int PRIMARY KEY)', tables: ['item'] });
});
afterAll(() => small?.drop());

async function sessions(verb: string): Promise<{ pid: number; query: string }[]> {
  const { rows } = await small.target.query<{ pid: number; query: string }>(
    'SELECT pid, query FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()',
    [`gravitas-split ${verb}`],
  );
  return rows;
}

describe('takeTurn', () => {
  it('gives it to one run at a time, and says who has it', async () => {
    const turn = await takeTurn(small.move, 'switch-writes');
    const [session] = await sessions('switch-writes');
    await expect(takeTurn(small.reopen(), 'reverse')).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringMatching(
        new RegExp(`"gravitas-split switch-writes", since \\d{4}-.*\\(server process ${session!.pid}\\)`),
      ),
    });
    await turn.assertHeld();
    await turn.release();
    await turn.release();
    const next = await takeTurn(small.move, 'reverse');
    await next.release();
  });

  it('is noticed to be lost', async () => {
    const turn = await takeTurn(small.move, 'copy');
    await small.target.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'gravitas-split copy' AND datname = current_database()`,
    );
    await expect(turn.assertHeld()).rejects.toMatchObject({ code: 'interrupted' });
    await waitFor('its session to end', async () => (await sessions('copy')).length === 0);
    const next = await takeTurn(small.move, 'copy');
    await expect(turn.assertHeld()).rejects.toMatchObject({ code: 'interrupted' });
    await next.assertHeld();
    await next.release();
    await turn.release();
  });

  it('is free as soon as its holder is gone', async () => {
    const handOver = async (): Promise<boolean> => {
      const turn = await takeTurn(small.move, 'copy');
      let ended = false;
      const waiting = takeTurn(small.move, 'verify')
        .then((next) => next.release())
        .then(() => true)
        .catch(() => false)
        .finally(() => (ended = true));
      const asks = async (): Promise<boolean> => (await sessions('verify'))[0]?.query.includes('try_advisory') ?? false;
      await waitFor('the other one to ask', async () => ended || (await asks()));
      await turn.release();
      return waiting;
    };
    // Whoever asks has a second of patience.
    await waitFor('the other one to get it', handOver, 20_000);
  });

  it('says when the target cannot be reached', async () => {
    const move = { ...small.move, urls: { ...small.move.urls, target: 'postgres://nobody@127.0.0.1:1/none' } };
    await expect(takeTurn(move, 'copy')).rejects.toMatchObject({ code: 'unreachable' });
  });
});

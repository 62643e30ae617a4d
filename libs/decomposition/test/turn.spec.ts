import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { takeTurn } from '../src/core/turn.js';
import { smallMove, type SmallMove } from './support/small-move.js';

let small: SmallMove;
beforeAll(async () => {
  small = await smallMove({ ddl: 'CREATE TABLE item (id int PRIMARY KEY)', tables: ['item'] });
});
afterAll(() => small?.drop());

describe('takeTurn', () => {
  it('gives it to one run at a time, and says who has it', async () => {
    const turn = await takeTurn(small.move, 'switch-writes');
    const { rows } = await small.target.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'gravitas-split switch-writes' AND datname = current_database()`,
    );
    await expect(takeTurn(small.reopen(), 'reverse')).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringMatching(
        new RegExp(`"gravitas-split switch-writes", since \\d{4}-.*\\(server process ${rows[0]!.pid}\\)`),
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
    const next = await takeTurn(small.move, 'copy');
    await expect(turn.assertHeld()).rejects.toMatchObject({ code: 'interrupted' });
    await next.assertHeld();
    await next.release();
    await turn.release();
  });

  it('is free as soon as its holder is gone', async () => {
    const turn = await takeTurn(small.move, 'copy');
    const waiting = takeTurn(small.reopen(), 'verify');
    await turn.release();
    await (await waiting).release();
  });

  it('says when the target cannot be reached', async () => {
    const move = { ...small.move, urls: { ...small.move.urls, target: 'postgres://nobody@127.0.0.1:1/none' } };
    await expect(takeTurn(move, 'copy')).rejects.toMatchObject({ code: 'unreachable' });
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { fence, unfence } from '../src/core/fence/fence.js';
import { DualWriteStream } from '../src/core/stream/dual-write/dual-write-stream.js';
import { DualClient } from '../src/route/dual/dual-client.js';
import { dualMove, FOREVER, half, rowsOf, waiting, type DualMove } from './support/dual-move.js';

let dual: DualMove;
let reverse: DualWriteStream;

/** As `switch-writes` does it. */
beforeAll(async () => {
  dual = await dualMove();
  const { source, target, move, stream } = dual;
  await source.query(`INSERT INTO items (id, label) SELECT i, i::text FROM generate_series(1, 20) i`);
  reverse = new DualWriteStream(move, 'target');
  await reverse.capture();
  await half(target, `INSERT INTO items (id, label) VALUES (99, 'a half that both streams log')`);
  await fence(source, await move.tables('source'), { reason: 'the move has switched', dual: true });
  await stream.catchUp(10_000, FOREVER);
  await reverse.skipToNow();
  await stream.end();
  await move.state.change({ phase: 'switched', writes: 'target' });
  const client = await target.connect();
  await unfence(client, await move.tables('target'));
  client.release();
  await reverse.start();
});

afterAll(async () => {
  await dual.drop();
});

async function expectConverged(rows: number): Promise<void> {
  await reverse.catchUp(10_000, FOREVER);
  const { source, target } = await rowsOf(dual.move);
  expect(source).toEqual(target);
  expect(target).toHaveLength(rows);
  expect(await waiting(dual.source)).toBe(0);
  expect(await waiting(dual.target)).toBe(0);
}

it('writes on the target come back to the source, which takes no others', async () => {
  expect((await dual.move.state.read()).dual).toBe(false);
  await dual.target.query(
    `UPDATE items SET label = 'x' || label, id = id + 100 WHERE id > 10; DELETE FROM items WHERE id < 6`,
  );
  await expect(dual.source.query('DELETE FROM items')).rejects.toMatchObject({ code: 'GV001' });
  await expectConverged(15);
});

it('a process that watches does it by itself, and stops when the stream is stopped', async () => {
  const signal = new AbortController();
  const notes: string[] = [];
  const move = dual.reopen({ progress: { note: (text) => notes.push(text), at: () => undefined } });
  const running = new DualWriteStream(move, 'target').run(signal.signal);
  try {
    await dual.target.query(`INSERT INTO marks (day, kind) VALUES ('2026-01-01', 'a')`);
    await waitFor('the row to come', async () => (await dual.source.query('SELECT FROM marks')).rowCount === 1);
    await reverse.stop();
    await dual.target.query(`INSERT INTO marks (day, kind) VALUES ('2026-01-02', 'b')`);
    expect(await reverse.reconcileOnce(FOREVER)).toEqual({ settled: 0, left: 0 });
    await reverse.start();
    await waitFor('the next row to come', async () => (await dual.source.query('SELECT FROM marks')).rowCount === 2);
  } finally {
    signal.abort();
    await running;
  }
  expect(notes).toEqual([]);
  await expectConverged(17);
});

it('halves work the other way round, too', async () => {
  const client = new DualClient({
    old: await dual.target.connect(),
    fresh: () => dual.source.connect(),
    halfTimeoutMs: 20_000,
  });
  await client.query(`UPDATE items SET label = 'both' WHERE id = 6`);
  client.release();
  expect((await dual.source.query(`SELECT FROM items WHERE label = 'both'`)).rowCount).toBe(1);
  await half(dual.source, `DELETE FROM items`);
  await expectConverged(17);
});

it('nothing of it is left after its end', async () => {
  await reverse.end();
  for (const pool of [dual.source, dual.target]) {
    const { rows } = await pool.query(`SELECT FROM pg_trigger WHERE tgname LIKE 'decomposition_log%'`);
    expect(rows).toHaveLength(0);
    expect((await pool.query(`SELECT to_regclass('decomposition.changes') AS is`)).rows).toEqual([{ is: null }]);
  }
});

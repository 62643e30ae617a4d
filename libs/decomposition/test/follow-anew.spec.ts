import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { copy } from '../src/core/copy/copy.js';
import { verbs } from '../src/core/library.js';
import { type Side } from '../src/core/side.js';
import { status } from '../src/core/status/status.js';
import { ReplicationStream } from '../src/core/stream/replication/replication-stream.js';
import { patiently } from './support/patiently.js';
import { realMove, type RealMove } from './support/real-move.js';

const NOTES = `
  CREATE TABLE note (id int PRIMARY KEY, body text UNIQUE);
  INSERT INTO note SELECT n, 'note ' || n FROM generate_series(1, 500) n`;
/** Nobody's writes wait for it. */
const SWITCH = { dryRun: false, pauseTimeoutMs: 20_000 };

describe('a side that has missed changes', () => {
  let real: RealMove;
  beforeAll(async () => {
    real = await realMove({ source: NOTES, tables: ['note'] });
    await real.bringInStep();
    await verbs.verify(real.move, { full: false, repair: false });
  });
  afterAll(() => real.drop());

  /** As when the server has given up what it kept: a follower that fell behind by more than max_slot_wal_keep_size. */
  const lose = async (from: Side): Promise<void> => {
    const { names } = new ReplicationStream(real.move, from);
    for (const name of [names.stream, names.log])
      await waitFor(`slot ${name} to be gone`, async () => {
        const { rows } = await real[from].query<{ active: boolean }>(
          `SELECT active, pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1`,
          [name],
        );
        if (rows[0]?.active === false)
          await real[from].query('SELECT pg_drop_replication_slot($1)', [name]).catch(() => undefined);
        return rows.length === 0;
      });
  };
  const write = (side: Side): Promise<unknown> =>
    real[side].query(`
      INSERT INTO note SELECT n, 'new ' || n FROM generate_series(501, 520) n;
      UPDATE note SET body = 'changed ' || id WHERE id <= 30;
      DELETE FROM note WHERE id BETWEEN 100 AND 110`);
  /** Keys that the follower still has, and such that it never had. */
  const writeMore = (side: Side): Promise<unknown> =>
    real[side].query(`
      INSERT INTO note SELECT n, 'again ' || n FROM generate_series(100, 105) n;
      UPDATE note SET body = 'twice ' || id WHERE id > 500;
      DELETE FROM note WHERE id > 515`);
  const rowsOf = async (side: Side): Promise<unknown[]> =>
    (await real[side].query<object>('SELECT id, body FROM note ORDER BY id')).rows;
  const REFUSED = { code: 'refused', message: expect.stringContaining('missed') };
  const standing = async () => {
    const { next, blocks } = await status(real.move, { openStream: verbs.openStream });
    return { next, blocks };
  };

  it('is made equal by `copy` while it follows, and may take the writes only then', async () => {
    const { move } = real;
    await lose('source');
    await write('source');
    expect(await standing()).toEqual({ next: 'copy', blocks: ['changes were missed: the sides are not equal'] });
    await expect(verbs.switchReads(move, { percent: 10, dryRun: false })).rejects.toMatchObject(REFUSED);
    await expect(verbs.switchWrites(move, { dryRun: false })).rejects.toMatchObject({ code: 'refused' });
    await move.state.change({ readPercent: 10 });
    await expect(verbs.copy(move)).rejects.toMatchObject({
      next: expect.stringContaining('switch-reads --percent 0'),
    });
    await move.state.change({ readPercent: 0 });
    await writeMore('source');
    await verbs.copy(move);
    expect(await rowsOf('target')).toEqual(await rowsOf('source'));
    // A machine that stands still is told of as lag.
    await waitFor('nothing to stand in the way', async () => (await standing()).blocks.length === 0, 20_000);
    expect(await standing()).toMatchObject({ next: 'switch-reads --percent 10' });
    await patiently(() => verbs.switchWrites(move, SWITCH));
  });

  it('after the switch is made equal too, before there is a way back, also when that was cut short', async () => {
    const { move } = real;
    await expect(verbs.copy(move)).rejects.toMatchObject({ next: expect.stringContaining('`reverse`') });
    await lose('target');
    await real.target.query(`DELETE FROM note WHERE id BETWEEN 501 AND 515`);
    await write('target').catch(() => undefined);
    await real.target.query(`INSERT INTO note VALUES (900, 'only here')`);
    await expect(verbs.reverse(move, { dryRun: false })).rejects.toMatchObject(REFUSED);
    await expect(verbs.complete(move, { now: false, dryRun: false })).rejects.toMatchObject({ code: 'refused' });
    await expect(copy(move, { mend: () => Promise.reject(new Error('killed')) })).rejects.toThrow('killed');
    expect(await standing()).toMatchObject({ next: 'copy' });
    await expect(verbs.reverse(move, { dryRun: false })).rejects.toMatchObject(REFUSED);
    await verbs.copy(move);
    expect(await rowsOf('source')).toEqual(await rowsOf('target'));
    await real.target.query(`INSERT INTO note VALUES (901, 'followed')`);
    await patiently(() => verbs.reverse(move, SWITCH));
    const rows = await rowsOf('source');
    expect(rows).toContainEqual({ id: 900, body: 'only here' });
    expect(rows).toContainEqual({ id: 901, body: 'followed' });
    expect(
      await real.source.query(`SELECT FROM pg_trigger WHERE tgrelid = 'note'::regclass AND tgname LIKE '%replay%'`),
    ).toMatchObject({ rowCount: 0 });
  });
});

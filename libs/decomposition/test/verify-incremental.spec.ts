import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { verify, type VerifyStream } from '../src/core/verify/verify.js';
import { CopyingStream } from './support/copying-stream.js';
import { found, movedInStep, plant, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

describe('verify, incremental', () => {
  let small: SmallMove;
  let stream: ReturnType<typeof stillStream>;
  const run = (options: { full?: boolean; stream?: VerifyStream } = {}) =>
    verify(small.move, { stream, ranges: { rows: 100 }, ...options });

  beforeEach(async () => {
    stream = stillStream();
    small = await movedInStep({
      ddl: `CREATE TABLE t (a int, b text, v text, PRIMARY KEY (a, b)); CREATE TABLE u (id int PRIMARY KEY, v text);
            INSERT INTO t SELECT i / 2, i % 2, i FROM generate_series(1, 1000) i; INSERT INTO u SELECT i, i FROM generate_series(1, 950) i`,
      tables: ['t', 'u'],
    });
  });
  afterEach(() => small.drop());

  const touch = (table: string, ...keys: string[][]): void => {
    stream.changed.push({ table: `public.${table}`, keys, all: false });
  };
  const counts = ({ tables }: Awaited<ReturnType<typeof run>>): Record<string, number[]> =>
    Object.fromEntries(tables.map(({ table, compared, skipped }) => [table.slice(7), [compared, skipped]]));

  it('compares once what does not change', async () => {
    expect(counts(await run())).toEqual({ t: [10, 0], u: [9, 0] });
    const second = await run();
    expect(counts(second)).toEqual({ t: [0, 10], u: [0, 9] });
    expect(second.tables).toMatchObject([
      { rows: 1000, rows_compared: 0 },
      { rows: 950, rows_compared: 0 },
    ]);
    expect(second.clean).toBe(true);
    expect(counts(await run({ full: true }))).toEqual({ t: [10, 0], u: [9, 0] });
  });

  it('compares again the ranges that changed keys are in, at their ends and beyond them too', async () => {
    await run();
    // The first range of u ends at 100, which is in it.
    touch('u', ['100'], ['101'], ['102']);
    touch('t', ['-7', 'x'], ['100000', '']);
    expect(counts(await run())).toEqual({ t: [2, 8], u: [2, 7] });
    expect(stream.changed).toEqual([]);
    expect(counts(await run())).toEqual({ t: [0, 10], u: [0, 9] });
  });

  it('finds what only a change that was logged tells of', async () => {
    await run();
    await small.source.query(`UPDATE u SET v = 'new' WHERE id = 500`);
    expect(found(await run())).toEqual([]);
    touch('u', ['500']);
    expect(found(await run())).toEqual(['changed u 500']);
    // It stands until it is equal, without being logged again.
    expect(found(await run())).toEqual(['changed u 500']);
    await plant(small.target, `UPDATE u SET v = 'new' WHERE id = 500`);
    expect(counts(await run())).toEqual({ t: [0, 10], u: [1, 8] });
  });

  it('compares a whole table after a truncation', async () => {
    await run();
    stream.changed.push({ table: 'public.u', keys: [], all: true });
    expect(counts(await run())).toEqual({ t: [0, 10], u: [9, 0] });
  });

  it('sees what somebody wrote to the other side, which no log tells of', async () => {
    await run();
    await plant(
      small.target,
      `DELETE FROM u WHERE id = 3; UPDATE u SET v = 'x' WHERE id = 450; INSERT INTO u VALUES (-1)`,
    );
    const result = await run();
    expect(found(result)).toEqual(['changed u 450', 'extra u -1', 'missing u 3']);
    expect(counts(result)).toEqual({ t: [0, 10], u: [2, 7] });
  });

  it('cuts ranges that have grown', async () => {
    await run();
    const more = `INSERT INTO u SELECT i, i FROM generate_series(951, 1550) i`;
    await small.source.query(more);
    await plant(small.target, more);
    touch('u', ['951'], ['1550']);
    const result = await run();
    // The last range had 150 rows; it has 750 now.
    expect(counts(result)).toEqual({ t: [0, 10], u: [7, 8] });
    expect(result.tables[1]).toMatchObject({ rows: 1550, rows_compared: 750 });
  });

  it('does not forget the log before the ranges are marked', async () => {
    await run();
    await small.source.query(`UPDATE u SET v = 'new' WHERE id = 500`);
    touch('u', ['500']);
    const broken: VerifyStream = {
      ...stream,
      changes: { ...stream.changes, forget: () => Promise.reject(new Error('killed')) },
    };
    await expect(run({ stream: broken })).rejects.toThrow('killed');
    stream.changed = [];
    expect(found(await run())).toEqual(['changed u 500']);
  });

  it('goes on from where a run was stopped', async () => {
    const stop = new AbortController();
    let seen = 0;
    const move = small.reopen({
      signal: stop.signal,
      progress: { note: () => undefined, at: () => ++seen === 5 && stop.abort(new Error('stop')) },
    });
    await expect(verify(move, { stream, ranges: { rows: 100 } })).rejects.toThrow('stop');
    const { tables } = await run();
    expect(tables[0]!.skipped).toBeGreaterThanOrEqual(5);
    expect(tables[0]).toMatchObject({ rows: 1000, ranges: 10 });
  });

  it('keeps what it knows over a stream that writes', async () => {
    const copying = await CopyingStream.start(small, 1);
    try {
      await run({ stream: copying });
      await small.source.query(`UPDATE u SET v = 'new' WHERE id = 500; DELETE FROM t WHERE a = 3`);
      const result = await run({ stream: copying });
      expect(result).toMatchObject({ clean: true });
      expect(counts(result)).toEqual({ t: [1, 9], u: [1, 8] });
    } finally {
      await copying.stop();
    }
  });
});

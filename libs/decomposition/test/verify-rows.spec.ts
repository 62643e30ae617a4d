import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { verify } from '../src/core/verify/verify.js';
import { found, movedInStep, plant, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

const ROWS = 60_000;

describe('verify, rows', () => {
  let small: SmallMove;
  const run = (options = {}) => verify(small.move, { stream: stillStream(), full: true, ...options });

  beforeAll(async () => {
    small = await movedInStep({
      ddl: `CREATE TABLE events (
              id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, created_at timestamptz NOT NULL, meta jsonb,
              tags text[], ratio double precision, price numeric(12,4), raw bytea, twice bigint GENERATED ALWAYS AS (id * 2) STORED);
            INSERT INTO events (name, created_at, meta, tags, ratio, price, raw)
            SELECT CASE WHEN i % 7 > 0 THEN 'name ' || i END, '2025-01-01'::timestamptz + i * interval '1 s', jsonb_build_object('n', i),
              ARRAY['a', NULL, i::text], i / 3.0, i / 7.0, decode(md5(i::text), 'hex') FROM generate_series(1, ${ROWS}) i;`,
      tables: ['events'],
    });
  });
  afterAll(() => small.drop());

  const undo = async (ids: number[]): Promise<void> => {
    const list = ids.join(', ');
    const { rows } = await small.source.query<{ row: string }>(
      `SELECT format('(%L, %L, %L, %L, %L, %L, %L, %L)', id, name, created_at, meta, tags, ratio, price, raw) AS row
       FROM events WHERE id IN (${list})`,
    );
    await plant(
      small.target,
      `DELETE FROM events WHERE id IN (${list});
       INSERT INTO events (id, name, created_at, meta, tags, ratio, price, raw) OVERRIDING SYSTEM VALUE
       VALUES ${rows.map(({ row }) => row).join(', ')}`,
    );
  };

  it('finds two equal sides clean, and says so in the state', async () => {
    const before = await small.move.state.read();
    const result = await run();
    expect(result).toMatchObject({ clean: true, full: true, differences: [], difference_count: 0, service: 'thing' });
    expect(result.tables).toEqual([
      expect.objectContaining({ table: 'public.events', rows: ROWS, ranges: 3, compared: 3, skipped: 0 }),
    ]);
    expect(result.rows_per_s).toBeGreaterThan(0);
    const after = await small.move.state.read();
    expect(after).toMatchObject({ verifiedAt: result.started_at, epoch: before.epoch });
  });

  it('finds a row that is missing, one too many, and one that was changed, and takes the gate away', async () => {
    await plant(
      small.target,
      `DELETE FROM events WHERE id = 20000;
       INSERT INTO events (id, name, created_at) OVERRIDING SYSTEM VALUE VALUES (-5, 'below', now()), (${ROWS + 9}, 'above', now());
       UPDATE events SET name = NULL, meta = '{"n": 1.0}' WHERE id = 40001`,
    );
    const result = await run();
    expect(found(result)).toEqual([
      'changed events 40001',
      'extra events -5',
      `extra events ${ROWS + 9}`,
      'missing events 20000',
    ]);
    expect(result).toMatchObject({ clean: false, difference_count: 4 });
    const changed = result.differences.find(({ kind }) => kind === 'changed');
    expect(changed?.columns).toEqual(['name', 'meta']);
    expect(changed?.detail).toBe(
      `Row id '40001': name is 'name 40001' in the source, NULL in the target; meta is '{"n": 40001}' in the source, '{"n": 1.0}' in the target.`,
    );
    expect((await small.move.state.read()).verifiedAt).toBeNull();
    const { rows } = await small.target.query('SELECT kind FROM decomposition.differences ORDER BY kind');
    expect(rows.map(({ kind }: { kind: string }) => kind)).toEqual(['changed', 'extra', 'extra', 'missing']);
    await undo([20_000, 40_001]);
    await plant(small.target, `DELETE FROM events WHERE id < 1 OR id > ${ROWS}`);
    expect((await run()).clean).toBe(true);
    expect((await small.target.query('SELECT FROM decomposition.differences')).rowCount).toBe(0);
  });

  it('finds a timestamp that is off by a microsecond', async () => {
    await plant(small.target, `UPDATE events SET created_at = created_at + interval '1 us' WHERE id = 31234`);
    const result = await run();
    expect(result.differences).toEqual([
      expect.objectContaining({
        kind: 'changed',
        key: ['31234'],
        columns: ['created_at'],
        detail: expect.stringContaining('timestamp created_at differs by 1 microsecond ('),
      }),
    ]);
    await undo([31_234]);
  });

  it.each([
    ['tags', `tags = ARRAY['a', 'NULL', '500']`],
    ['ratio', `ratio = ratio + 1e-10`],
    ['price', `price = price + 0.0001`],
    ['raw', `raw = raw || '\\x00'`],
    ['name', `name = name || ' '`],
  ])('finds a change of %s', async (column, set) => {
    await plant(small.target, `UPDATE events SET ${set} WHERE id = 500`);
    const result = await run();
    expect(result.differences).toEqual([expect.objectContaining({ key: ['500'], columns: [column] })]);
    await undo([500]);
  });

  it('finds values that two rows have exchanged', async () => {
    await plant(
      small.target,
      `UPDATE events e SET name = o.name FROM events o WHERE (e.id, o.id) IN ((101, 102), (102, 101))`,
    );
    expect(found(await run())).toEqual(['changed events 101', 'changed events 102']);
    await undo([101, 102]);
  });

  it('counts all differences and lists a thousand, also where the follower holds far too much', async () => {
    await plant(
      small.target,
      `INSERT INTO events (id, created_at) OVERRIDING SYSTEM VALUE SELECT -i, now() FROM generate_series(1, 50000) i`,
    );
    const result = await run();
    expect(result.difference_count).toBe(50_000);
    expect(result.differences).toHaveLength(1000);
    await plant(small.target, 'DELETE FROM events WHERE id < 1');
  });

  it('says how far it is', async () => {
    const seen: number[] = [];
    const move = small.reopen({ progress: { note: () => undefined, at: (_, done) => seen.push(done) } });
    await verify(move, { stream: stillStream(), full: true });
    expect(seen.at(-1)).toBe(ROWS);
  });

  it('stops when it is told to, and leaves the gate as it was', async () => {
    const { verifiedAt } = await small.move.state.read();
    const stop = new AbortController();
    const move = small.reopen({
      signal: stop.signal,
      progress: { note: () => undefined, at: () => stop.abort(new Error('told to stop')) },
    });
    await expect(verify(move, { stream: stillStream(), full: true })).rejects.toThrow('told to stop');
    expect((await small.move.state.read()).verifiedAt).toEqual(verifiedAt);
  });

  it('lets one run at a time', async () => {
    const client = await small.target.connect();
    try {
      await client.query(`SELECT pg_advisory_lock(hashtextextended('gravitas-split verify thing', 0))`);
      await expect(run()).rejects.toMatchObject({ code: 'busy' });
    } finally {
      client.release(true);
    }
    await waitFor('the lock to be free', () => run().catch(() => undefined));
  });

  it('refuses before the copy', async () => {
    await small.target.query(`UPDATE decomposition.moves SET phase = 'copying'`);
    await expect(run()).rejects.toMatchObject({ code: 'refused', next: expect.stringContaining('copy') });
    await small.target.query(`UPDATE decomposition.moves SET phase = 'in_step'`);
  });
});

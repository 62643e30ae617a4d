import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { waitFor } from '#testing';
import { DualWriteStream } from '../src/core/stream/dual-write/dual-write-stream.js';
import { withReceiver } from '../src/core/stream/dual-write/receiver.js';
import { dualMove, FOREVER, half, rowsOf, waiting, type DualMove } from './support/dual-move.js';

// What is left of a pause is no whole number.
const TIMEOUT_MS = 20_000.5;

let dual: DualMove;
let stream: DualWriteStream;
let source: pg.Pool;
let target: pg.Pool;

beforeAll(async () => {
  dual = await dualMove();
  ({ stream, source, target } = dual);
});

afterAll(async () => {
  await dual.drop();
});

const catchUp = (timeoutMs = TIMEOUT_MS): Promise<void> => stream.catchUp(timeoutMs, FOREVER);

/** Does not catch up, for this reason. Within one short limit it need not have come as far as that. */
async function expectStuck(why: RegExp): Promise<void> {
  await waitFor(`a catch-up that fails for ${why}`, () =>
    catchUp(500).then(
      () => false,
      (error: Error) => why.test(error.message),
    ),
  );
}

/** Does `work` while a transaction of another session is open, and ends that if `work` did not. */
async function beside(pool: pg.Pool, statement: string, work: (other: pg.PoolClient) => Promise<void>): Promise<void> {
  const other = await pool.connect();
  try {
    await other.query(`BEGIN; ${statement}`);
    await work(other);
  } finally {
    await other.query('ROLLBACK');
    other.release();
  }
}

async function expectEqual(atLeast = 1): Promise<void> {
  const { source: wanted, target: actual } = await rowsOf(dual.move);
  expect(actual).toEqual(wanted);
  expect(wanted.length).toBeGreaterThanOrEqual(atLeast);
}

describe('what is in the log comes to the other side', () => {
  beforeEach(async () => {
    await source.query('TRUNCATE items, marks, parts RESTART IDENTITY');
    await catchUp();
  });

  it('rows that are put in, changed, and taken out, in their formats', async () => {
    const client = await source.connect();
    await client.query(
      `SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET bytea_output = 'escape'; SET extra_float_digits = 0`,
    );
    await client.query(`INSERT INTO items (label, n) SELECT 'label ' || i, i FROM generate_series(1, 300) i`);
    await client.query(`INSERT INTO marks SELECT '2026-03-01'::timestamptz + i * interval '1.000001 h', E'it''s "' || i,
      jsonb_build_object('i', i), decode('00ff', 'hex'), 1.0 / (i + 2) FROM generate_series(1, 50) i`);
    await client.query(
      `INSERT INTO parts SELECT i, CASE WHEN i % 2 = 0 THEN 'n' ELSE 's' END, NULL FROM generate_series(1, 50) i`,
    );
    client.release(true);
    await catchUp();
    await expectEqual(400);
    await source.query(
      `UPDATE items SET n = -n WHERE id % 3 = 0; DELETE FROM items WHERE id % 5 = 0; DELETE FROM parts WHERE id < 5`,
    );
    await source.query(
      `UPDATE marks SET day = day + interval '1 year' WHERE ratio < 0.1; UPDATE parts SET region = 's' WHERE id % 4 = 0`,
    );
    await catchUp();
    await expectEqual(300);
    expect(await waiting(source)).toBe(0);
  });

  it('values of unique columns that change hands, also when pages and passes lie between them', async () => {
    await source.query(`INSERT INTO items (label) SELECT i::text FROM generate_series(1, 2500) i`);
    await catchUp();
    // A ring: each row takes its neighbour's label, so that no order of single rows would do.
    await source.query(`UPDATE items SET label = 'x' || label; UPDATE items SET label = (1 + (id % 2500))::text`);
    await catchUp();
    await expectEqual(2500);
  });

  it('TRUNCATE, of a table and of one partition, with rows before and after', async () => {
    await source.query(`INSERT INTO items (label) SELECT i::text FROM generate_series(1, 1200) i`);
    await source.query(
      `INSERT INTO parts SELECT i, CASE WHEN i % 2 = 0 THEN 'n' ELSE 's' END FROM generate_series(1, 50) i`,
    );
    await catchUp();
    await source.query(
      `TRUNCATE items; INSERT INTO items (label) SELECT i::text FROM generate_series(600, 700) i; TRUNCATE parts_n`,
    );
    await catchUp();
    await expectEqual(126);
  });

  it('an entry that commits after entries with higher ids are done', async () => {
    await beside(source, `INSERT INTO items (label) VALUES ('late')`, async (late) => {
      await source.query(`INSERT INTO items (label) VALUES ('early')`);
      await catchUp();
      expect((await rowsOf(dual.move)).target).toHaveLength(1);
      await late.query('COMMIT');
    });
    await catchUp();
    await expectEqual(2);
  });

  it('what writers with few rights write, who cannot touch the log', async () => {
    const role = `clerk_${dual.plan.name}`;
    await source.query(`CREATE ROLE ${role}; GRANT INSERT ON marks TO ${role}; GRANT ${role} TO CURRENT_USER`);
    const client = await source.connect();
    try {
      await client.query(`SET ROLE ${role}; CREATE TEMP TABLE changes (key text[]); SET search_path = pg_temp, public`);
      await client.query(`INSERT INTO marks (day, kind) VALUES (now(), 'clerk')`);
      await expect(client.query('DELETE FROM decomposition.changes')).rejects.toMatchObject({ code: '42501' });
    } finally {
      client.release(true);
    }
    await catchUp();
    await expectEqual(1);
    await source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  it('rows that the other side keeps locked, once they are free; the rest does not wait', async () => {
    await source.query(`INSERT INTO items (label) VALUES ('a'), ('b')`);
    await catchUp();
    await beside(target, `SELECT FROM items WHERE label = 'a' FOR UPDATE`, async () => {
      await source.query(`UPDATE items SET n = 7`);
      await expectStuck(/1 changes are waiting/);
      expect((await target.query('SELECT FROM items WHERE n = 7')).rowCount).toBe(1);
      expect(await stream.lag()).toMatchObject({ pending: 1, pendingUnit: 'changes' });
    });
    await catchUp();
    await expectEqual(2);
  });

  it('tables that either side keeps locked, once they are free', async () => {
    await source.query(`INSERT INTO items (label) SELECT i::text FROM generate_series(1, 600) i`);
    await source.query(`INSERT INTO parts VALUES (1, 'n')`);
    for (const pool of [source, target])
      await beside(pool, 'LOCK TABLE items IN ACCESS EXCLUSIVE MODE', () =>
        expectStuck(/600 changes are waiting.*lock timeout/),
      );
    await catchUp();
    await expectEqual(601);
  });

  it('names what a row is refused for, and goes on once that is mended', async () => {
    await source.query(`CREATE TABLE parts_w PARTITION OF parts FOR VALUES IN ('w')`);
    await source.query(`INSERT INTO parts VALUES (1, 'w'), (2, 'n'), (3, 's')`);
    await expectStuck(/1 changes are waiting.*no partition of relation "parts"/);
    expect((await target.query('SELECT FROM parts')).rowCount).toBe(2);
    await target.query(`CREATE TABLE parts_w PARTITION OF parts FOR VALUES IN ('w')`);
    await catchUp();
    await expectEqual(3);
    // Its own TRUNCATE is heard of once the capture has been repeated.
    await stream.capture();
    await source.query('TRUNCATE parts_w');
    await catchUp();
    await expectEqual(2);
  });
});

describe('halves', () => {
  beforeEach(async () => {
    await source.query('TRUNCATE items, marks, parts RESTART IDENTITY');
    await catchUp();
  });

  it('the fence lets through what says it is one, and nobody else', async () => {
    await expect(target.query(`INSERT INTO marks (day, kind) VALUES (now(), 'x')`)).rejects.toMatchObject({
      code: 'GV001',
    });
    await half(target, `INSERT INTO marks (day, kind) VALUES (now(), 'x')`);
    expect(await waiting(target)).toBe(1);
    await catchUp();
    await expectEqual(0);
  });

  it('one whose other half was never committed is undone', async () => {
    await source.query(`INSERT INTO items (label, n) VALUES ('kept', 1), ('gone', 1)`);
    await catchUp();
    await half(target, `UPDATE items SET n = 2 WHERE label = 'kept'; DELETE FROM items WHERE label = 'gone'`);
    await half(target, `INSERT INTO items (id, label) VALUES (77, 'extra')`);
    expect(await stream.lag()).toMatchObject({ pending: 3 });
    await catchUp();
    await expectEqual(2);
  });

  it('one whose other half is under way is left alone until that has ended', async () => {
    await beside(source, 'SELECT pg_current_xact_id()', async (other) => {
      const { rows } = await other.query<{ xid: string }>(`SELECT pg_current_xact_id()::text AS xid`);
      await half(target, `INSERT INTO items (id, label) VALUES (9, 'both')`, rows[0]!.xid);
      await catchUp();
      expect((await target.query('SELECT FROM items')).rowCount).toBe(1);
      expect(await stream.lag()).toEqual({ seconds: 0, pending: 0, pendingUnit: 'changes' });
      expect(await stream.underWay('public.items')).toEqual([['9']]);
      expect(await stream.underWay('public.marks')).toEqual([]);
    });
    expect(await stream.underWay('public.items')).toEqual([]);
    await catchUp();
    expect((await target.query('SELECT FROM items')).rowCount).toBe(0);
  });

  it('what the reconciler writes is not logged again', async () => {
    await source.query(`INSERT INTO items (label) VALUES ('a')`);
    await half(target, `INSERT INTO marks (day, kind) VALUES (now(), 'b')`);
    await catchUp();
    expect(await waiting(source)).toBe(0);
    expect(await waiting(target)).toBe(0);
  });
});

describe('which keys changed', () => {
  const read = async (): Promise<unknown[]> => {
    const all = [];
    for await (const changed of stream.changes.read(FOREVER)) all.push(changed);
    // Those that were dealt with come in any order of their tables.
    return all.toSorted((one, other) => one.table.localeCompare(other.table));
  };

  it('are told until they are forgotten, also after they were dealt with; not those that changed again', async () => {
    await source.query('TRUNCATE items, marks, parts RESTART IDENTITY');
    await catchUp();
    await read();
    await stream.changes.forget();
    await source.query(`INSERT INTO items (label) VALUES ('a'), ('b')`);
    await catchUp();
    await source.query(`UPDATE items SET n = 1; TRUNCATE marks`);
    expect(await read()).toEqual([
      { table: 'public.items', keys: [['1'], ['2'], ['1'], ['2']], all: false },
      { table: 'public.marks', keys: [], all: true },
    ]);
    await catchUp();
    await stream.changes.forget();
    // They were settled after the reading: told once more rather than once too few.
    expect(await read()).toEqual([
      { table: 'public.items', keys: expect.arrayContaining([['1'], ['2']]), all: false },
      { table: 'public.marks', keys: [], all: true },
    ]);
    await stream.changes.forget();
    expect(await read()).toEqual([]);
  });
});

describe('one reconciler at a time', () => {
  it('another one waits for the log to be worked off, and takes over when the first is gone', async () => {
    await source.query(`INSERT INTO items (label) VALUES ('waits')`);
    const first = await target.connect();
    await first.query(`SELECT pg_advisory_lock(hashtextextended('decomposition.reconcile thing', 0))`);
    expect(await withReceiver(target, 'thing', async () => true)).toBeUndefined();
    const waitingForIt = catchUp();
    await expect(catchUp(200)).rejects.toMatchObject({ code: 'timeout' });
    first.release(true);
    await waitingForIt;
    await expectEqual();
  });
});

describe('stop, start, end', () => {
  it('keeps logging while it is stopped, tells participants, and leaves nothing behind', async () => {
    expect((await dual.move.state.read()).dual).toBe(true);
    await stream.stop();
    expect((await dual.move.state.read()).dual).toBe(false);
    expect((await stream.lag()).seconds).toBeNull();
    await source.query(`INSERT INTO items (label) VALUES ('while stopped')`);
    await expect(catchUp()).rejects.toMatchObject({ code: 'refused' });
    await stream.start();
    await catchUp();
    await expectEqual();

    const reverse = new DualWriteStream(dual.move, 'target');
    await reverse.capture();
    await stream.end();
    await stream.end();
    expect(await waiting(target)).toBe(0);
    await reverse.end();
    for (const pool of [source, target]) {
      const { rows } = await pool.query<{ name: string }>(
        `SELECT tgname AS name FROM pg_trigger WHERE tgname LIKE 'decomposition_log%'
         UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'decomposition'::regnamespace AND proname <> 'fence'
         UNION ALL SELECT relname FROM pg_class WHERE relname IN ('changes', 'changed_keys', 'dual_streams')`,
      );
      expect(rows).toEqual([]);
    }
    await expect(new DualWriteStream(dual.move, 'source').start()).rejects.toMatchObject({ code: 'refused' });
  });
});

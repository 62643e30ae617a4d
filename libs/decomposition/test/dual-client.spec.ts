import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { copyInto } from '#database';
import { waitFor } from '#testing';
import { HalfBreaker } from '../src/route/dual/half-breaker.js';
import { DualClient, type DualClientOptions } from '../src/route/dual/dual-client.js';
import { dualMove, FOREVER, rowsOf, waiting, type DualMove } from './support/dual-move.js';

const DDL = `
  CREATE TABLE accounts (id integer PRIMARY KEY, owner text, amount integer NOT NULL DEFAULT 0 CHECK (amount >= 0));
  CREATE TABLE notes (id integer PRIMARY KEY, account integer REFERENCES accounts DEFERRABLE INITIALLY DEFERRED, body text);`;

let dual: DualMove;
let olds: pg.Pool;
let news: pg.Pool;
let failed: Error[];
let opened: number;

beforeAll(async () => {
  dual = await dualMove({ ddl: DDL, tables: ['accounts', 'notes'] });
  const pool = (connectionString: string): pg.Pool => {
    const made = new pg.Pool({ connectionString, max: 6, connectionTimeoutMillis: 20_000 });
    made.on('error', () => undefined);
    return made;
  };
  olds = pool(dual.move.urls.source);
  news = pool(dual.move.urls.target);
});

afterAll(async () => {
  await Promise.all([olds.end(), news.end()]);
  await dual.drop();
});

beforeEach(async () => {
  failed = [];
  opened = 0;
  await dual.source.query(`TRUNCATE accounts, notes; INSERT INTO accounts VALUES (1, 'ann', 100), (2, 'ben', 100)`);
  await catchUp();
});

/** Whatever was done to it: both sides end up equal, and nothing waits. */
afterEach(async () => {
  await catchUp();
  const { source, target } = await rowsOf(dual.move);
  expect(target).toEqual(source);
  expect(await waiting(dual.source)).toBe(0);
  expect(await waiting(dual.target)).toBe(0);
});

const catchUp = (): Promise<void> => dual.stream.catchUp(10_000, FOREVER);

async function using<T>(
  work: (client: DualClient) => Promise<T>,
  options: Partial<DualClientOptions> = {},
): Promise<T> {
  const client = new DualClient({
    old: await olds.connect(),
    fresh: () => {
      opened++;
      return news.connect();
    },
    onFailedHalf: (error) => failed.push(error),
    halfTimeoutMs: 20_000,
    ...options,
  });
  // As TypeORM does; without it a connection that breaks would end the process.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  try {
    return await work(client);
  } finally {
    client.off('error', ignore);
    client.release();
  }
}

const amounts = async (pool: pg.Pool): Promise<number[]> =>
  (await pool.query<{ amount: number }>('SELECT amount FROM accounts ORDER BY id')).rows.map(({ amount }) => amount);
/** On the new side before any repair. */
const newAmounts = (): Promise<number[]> => amounts(dual.target);

/** Ends the session that has the half of a transaction open on one side. */
async function killSessions(pool: pg.Pool): Promise<void> {
  const { rowCount } = await pool.query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()`,
  );
  expect(rowCount).toBe(1);
}

describe('what goes where', () => {
  it('a write, in each form of a call, goes to both sides, and the old one answers', async () => {
    await using(async (client) => {
      const text = 'UPDATE accounts SET amount = amount + $1 WHERE id = 1 RETURNING amount';
      expect((await client.query<{ amount: number }>(text, [1])).rows).toEqual([{ amount: 101 }]);
      expect((await client.query({ text, values: [1], name: 'prepared' })).rows).toEqual([{ amount: 102 }]);
      expect((await client.query({ text, values: [1], rowMode: 'array' })).rows).toEqual([[103]]);
      const called = await new Promise((resolve, reject) =>
        client.query(text, [1], (error: Error | null, result) => (error ? reject(error) : resolve(result.rows))),
      );
      expect(called).toEqual([{ amount: 104 }]);
      await new Promise<void>((resolve) =>
        client.query('UPDATE accounts SET amount = -1', (error: Error | null) => {
          expect(error).toMatchObject({ code: '23514' });
          resolve();
        }),
      );
    });
    expect(await newAmounts()).toEqual([104, 100]);
    expect(failed).toEqual([]);
    expect(opened).toBe(1);
  });

  it('calls that do not wait for each other keep their order', async () => {
    await using(async (client) => {
      const all = [
        client.query('BEGIN'),
        client.query('UPDATE accounts SET amount = 1 WHERE id = 1'),
        client.query('SELECT amount FROM accounts WHERE id = 1'),
        client.query('UPDATE accounts SET amount = amount * 10 WHERE id = 1'),
        client.query('COMMIT'),
        client.query('SELECT amount FROM accounts WHERE id = 1'),
      ];
      const results = await Promise.all(all);
      expect(results.map(({ rows }) => JSON.stringify(rows))).toEqual([
        '[]',
        '[]',
        '[{"amount":1}]',
        '[]',
        '[]',
        '[{"amount":10}]',
      ]);
    });
    expect(await newAmounts()).toEqual([10, 100]);
  });

  it('what only reads never connects to the new side', async () => {
    await using(async (client) => {
      await client.query('BEGIN READ ONLY; SET LOCAL statement_timeout = 20000');
      await client.query('SELECT * FROM accounts');
      await client.query('COMMIT');
      await client.query('SELECT * FROM accounts FOR UPDATE');
      await client.query('BEGIN');
      await client.query('SELECT 1');
      await client.query('ROLLBACK');
    });
    expect(opened).toBe(0);
  });

  it('settings, isolation, locks and savepoints hold on the new side too', async () => {
    await using(async (client) => {
      await client.query('BEGIN');
      await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      await client.query(`SELECT set_config('test.who', $1, true)`, ['ann']);
      await client.query('SELECT * FROM accounts WHERE id = 2 FOR UPDATE');
      await client.query('SAVEPOINT one');
      await client.query(`UPDATE accounts SET owner = current_setting('test.who') WHERE id = 2`);
      const { rows } = await dual.target.query(
        `SELECT 1 FROM accounts WHERE id = 2 AND id NOT IN (SELECT id FROM accounts FOR UPDATE SKIP LOCKED)`,
      );
      expect(rows).toHaveLength(1);
      await client.query('UPDATE accounts SET amount = -1').catch(() => undefined);
      await client.query('ROLLBACK TO SAVEPOINT one');
      await client.query(`UPDATE accounts SET owner = current_setting('test.who') || '!' WHERE id = 2`);
      await client.query('COMMIT');
    });
    // A half that fails in a savepoint is one that failed: the transaction was repaired from the log.
    expect(failed).toMatchObject([{ code: '23514' }]);
    await catchUp();
    expect((await dual.target.query('SELECT owner FROM accounts WHERE id = 2')).rows).toEqual([{ owner: 'ann!' }]);
  });

  it('a statement that fails on the old side only, within a savepoint, is taken back on both', async () => {
    await dual.source.query(`INSERT INTO notes VALUES (5, 1, 'only old so far')`);
    await using(async (client) => {
      await client.query('BEGIN');
      await client.query('UPDATE accounts SET amount = 5 WHERE id = 1');
      await client.query('SAVEPOINT one');
      await expect(client.query(`INSERT INTO notes VALUES (5, 2, 'twice')`)).rejects.toMatchObject({ code: '23505' });
      await client.query('ROLLBACK TO one');
      await client.query('COMMIT');
    });
    expect(await newAmounts()).toEqual([5, 100]);
    expect((await dual.target.query('SELECT FROM notes')).rowCount).toBe(0);
    expect(failed).toEqual([]);
  });

  it('session settings are said to the new side, whose connection is not shared afterwards', async () => {
    await using(async (client) => {
      await client.query(`SET test.who = 'ann'`);
      await client.query(`UPDATE accounts SET owner = current_setting('test.who')`);
    });
    expect((await dual.target.query('SELECT DISTINCT owner FROM accounts')).rows).toEqual([{ owner: 'ann' }]);
    expect((await news.query(`SELECT current_setting('test.who', true) AS who`)).rows).not.toEqual([{ who: 'ann' }]);
  });

  it('COPY goes to the old side, in its turn, and a COMMIT after a failed one commits nothing', async () => {
    const target = { table: 'accounts', columns: { id: 'int4', owner: 'text', amount: 'int4' } } as const;
    await using(async (client) => {
      const copy = (rows: [number, string, number][]): Promise<number> =>
        copyInto(client as unknown as pg.ClientBase, target, rows);
      await client.query('BEGIN');
      await client.query('UPDATE accounts SET amount = 7 WHERE id = 1');
      expect(await copy([[3, 'cid', 1]])).toBe(1);
      await client.query('COMMIT');
      const begun = [client.query('BEGIN'), client.query('UPDATE accounts SET amount = 8 WHERE id = 1')];
      const copied = copy([[3, 'again', 1]]).catch((error: unknown) => error);
      const committed = await client.query('COMMIT');
      await Promise.all(begun);
      expect(await copied).toMatchObject({ code: '23505' });
      expect(committed.command).toBe('ROLLBACK');
    });
    expect(await newAmounts()).toEqual([7, 100]);
    expect(failed).toEqual([]);
  });

  it('several statements in one text, whether they hold together or not', async () => {
    await using(async (client) => {
      await client.query('UPDATE accounts SET amount = 1 WHERE id = 1; UPDATE accounts SET amount = 2 WHERE id = 2');
      expect(await newAmounts()).toEqual([1, 2]);
      await client.query('BEGIN; UPDATE accounts SET amount = 3 WHERE id = 1; COMMIT; BEGIN');
      await client.query('UPDATE accounts SET amount = 4 WHERE id = 2');
      await client.query('COMMIT');
      expect(await newAmounts()).toEqual([1, 2]);
      await client.query('UPDATE accounts SET amount = amount + 10');
    });
    expect(await amounts(dual.source)).toEqual([13, 14]);
  });
});

describe('a new half that fails is no matter to the caller, and is repaired', () => {
  const refused = new Error('connection refused');

  it('no connection, which is not tried again for each statement', async () => {
    const fresh = async (): Promise<never> => {
      opened++;
      throw refused;
    };
    await using(
      async (client) => {
        await client.query('BEGIN');
        await client.query('UPDATE accounts SET amount = 1 WHERE id = 1');
        await client.query('UPDATE accounts SET amount = 2 WHERE id = 2');
        await client.query('COMMIT');
      },
      { fresh },
    );
    expect(opened).toBe(1);
    expect(failed).toEqual([refused]);
  });

  it('no connection, which is not tried again for a while', async () => {
    let now = 0;
    const breaker = new HalfBreaker(1000, () => now);
    const fresh = async (): Promise<never> => {
      opened++;
      throw refused;
    };
    const write = (): Promise<unknown> =>
      using((client) => client.query('UPDATE accounts SET amount = amount + 1'), { fresh, breaker });
    await write();
    await write();
    expect(opened).toBe(1);
    now = 1000;
    await write();
    expect(opened).toBe(2);
    expect(failed).toHaveLength(3);
  });

  it('a connection that does not come in time, and is given back when it does', async () => {
    const late = Promise.withResolvers<pg.PoolClient>();
    await using((client) => client.query('UPDATE accounts SET amount = 1'), {
      fresh: () => late.promise,
      halfTimeoutMs: 50,
    });
    expect(failed).toHaveLength(1);
    late.resolve(await news.connect());
    await waitFor('the connection to be given back', () => news.idleCount === news.totalCount);
  });

  it('a statement that waits for a lock for too long', async () => {
    const holder = await dual.target.connect();
    try {
      await holder.query('BEGIN; SELECT FROM accounts FOR UPDATE');
      // Where the server stands still, the client gives up by itself, and with other words.
      await waitFor('the server to give up', async () => {
        failed = [];
        await using((client) => client.query('UPDATE accounts SET amount = 1'), { halfTimeoutMs: 500 });
        return (failed[0] as { code?: string } | undefined)?.code === '57014';
      });
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
    expect(failed).toMatchObject([{ code: '57014' }]);
    expect(await newAmounts()).toEqual([100, 100]);
  });

  it('a row that is in the way on the new side', async () => {
    await using(async (client) => {
      await dual.source.query(`DELETE FROM accounts WHERE id = 2`);
      await client.query(`INSERT INTO accounts VALUES (2, 'new ben', 1)`);
    });
    expect(failed).toMatchObject([{ code: '23505' }]);
  });

  it('its connection broken between two statements', async () => {
    await using(async (client) => {
      await client.query('BEGIN');
      await client.query('UPDATE accounts SET amount = 1 WHERE id = 1');
      await killSessions(dual.target);
      await client.query('UPDATE accounts SET amount = 2 WHERE id = 2');
      await client.query('COMMIT');
      await client.query('UPDATE accounts SET amount = amount + 1 WHERE id = 1');
    });
    expect(failed).toHaveLength(1);
    expect(await amounts(dual.source)).toEqual([2, 2]);
    expect(opened).toBe(2);
  });

  it('its connection broken before COMMIT', async () => {
    await using(async (client) => {
      await client.query('BEGIN');
      await client.query('UPDATE accounts SET amount = 1');
      await killSessions(dual.target);
      await client.query('COMMIT');
    });
    expect(failed).toHaveLength(1);
    expect(await newAmounts()).toEqual([100, 100]);
  });

  it('a COMMIT that a deferred constraint refuses', async () => {
    await dual.source.query(`INSERT INTO accounts VALUES (3, 'cid', 1)`);
    await using((client) => client.query(`INSERT INTO notes VALUES (1, 3, 'the new side has no account 3')`));
    expect(failed).toMatchObject([{ code: '23503' }]);
  });

  it('is not told of when the transaction came to nothing anyway', async () => {
    await using(async (client) => {
      await expect(client.query('UPDATE accounts SET amount = -1')).rejects.toMatchObject({ code: '23514' });
      await client.query('BEGIN');
      await client.query('UPDATE accounts SET amount = -1').catch(() => undefined);
      expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    });
    expect(failed).toEqual([]);
  });
});

describe('an old half that fails is told to the caller, and nothing of it is left', () => {
  it('a statement', async () => {
    await dual.source.query(`INSERT INTO accounts VALUES (3, 'only old so far', 1)`);
    await using(async (client) => {
      await expect(client.query(`INSERT INTO accounts VALUES (3, 'cid', 1)`)).rejects.toMatchObject({ code: '23505' });
    });
    expect(await newAmounts()).toEqual([100, 100]);
    expect(await waiting(dual.target)).toBe(0);
  });

  it('a COMMIT that a deferred constraint refuses, after the new one went through', async () => {
    await dual.target.query('ALTER TABLE notes DROP CONSTRAINT notes_account_fkey');
    await using(async (client) => {
      await client.query('BEGIN');
      await client.query(`UPDATE accounts SET amount = 1; INSERT INTO notes VALUES (1, 99, 'whose?')`);
      await expect(client.query('COMMIT')).rejects.toMatchObject({ code: '23503' });
      await expect(client.query(`INSERT INTO notes VALUES (2, 99, 'whose?')`)).rejects.toMatchObject({ code: '23503' });
    });
    expect(await newAmounts()).toEqual([1, 1]);
    expect((await dual.target.query('SELECT FROM notes')).rowCount).toBe(2);
    expect(failed).toHaveLength(2);
    await catchUp();
    expect(await newAmounts()).toEqual([100, 100]);
    await dual.target.query(
      'ALTER TABLE notes ADD CONSTRAINT notes_account_fkey FOREIGN KEY (account) REFERENCES accounts DEFERRABLE INITIALLY DEFERRED',
    );
  });

  it('its connection broken before COMMIT', async () => {
    await using(async (client) => {
      await client.query('BEGIN');
      await client.query('UPDATE accounts SET amount = 1');
      await killSessions(dual.source);
      await expect(client.query('COMMIT')).rejects.toThrow();
    });
    // Whether the new one was committed depends on when the break was heard of.
    await catchUp();
    expect(await newAmounts()).toEqual([100, 100]);
  });
});

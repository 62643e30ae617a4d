import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { createTestDatabase, waitFor, type TestDatabase } from '#testing';
import { copyInto } from './copy-into.js';
import { createPool } from './pool.js';
import { withConnection } from './with-connection.js';

const TARGET = { table: 'sample', columns: { n: 'int4', label: 'text' } } as const;
const APPLICATION = 'with-connection-spec';

describe('withConnection', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await createTestDatabase('lend');
    pool = createPool(database.ownerUrl, APPLICATION, 1, () => undefined);
    await pool.query('CREATE TABLE sample (n int4 CHECK (n > 0), label text)');
  });
  afterEach(() => pool.query('TRUNCATE sample'));
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  const backend = async () =>
    (
      await database.query<{ pid: number; waiting: boolean }>(
        `SELECT pid, wait_event_type = 'Lock' AS waiting FROM pg_stat_activity WHERE application_name = $1`,
        [APPLICATION],
      )
    ).at(0);
  /** Makes the pool's connection. @returns its backend's pid */
  const connect = async () => (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
  const count = async () => (await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM sample')).rows[0]!.n;

  it('gives the same connection to one after the other', async () => {
    const pid = async (client: pg.PoolClient) =>
      (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
    expect(await withConnection(pool, pid)).toBe(await withConnection(pool, pid));
  });

  it('keeps the connection after data that was refused', async () => {
    const before = (await backend())!.pid;
    await expect(withConnection(pool, (client) => copyInto(client, TARGET, [[-1, 'x']]))).rejects.toMatchObject({
      code: '23514',
    });
    expect(await count()).toBe(0);
    expect((await backend())!.pid).toBe(before);
  });

  it('survives that the server ends the connection while nothing runs on it, and does not give it back', async () => {
    const work = withConnection(pool, async (client) => {
      const ended = once(client, 'end');
      await database.query('SELECT pg_terminate_backend($1)', [(await backend())!.pid]);
      await ended;
      return client.query('SELECT 1');
    });
    await expect(work).rejects.toThrow(/not queryable|terminat/i);
    expect(await count()).toBe(0);
  });

  it('survives that the server ends the connection while COPY waits for a lock', async () => {
    const release = await database.lockTable('sample');
    const copy = withConnection(pool, (client) => copyInto(client, TARGET, [[1, 'x']])).catch(
      (error: unknown) => error,
    );
    try {
      const { pid } = await waitFor('the COPY to wait', async () => {
        const found = await backend();
        return found?.waiting && found;
      });
      await database.query('SELECT pg_terminate_backend($1)', [pid]);
      expect(await copy).toMatchObject({ code: '57P01' });
    } finally {
      await release();
    }
    expect(await count()).toBe(0);
  });

  it('survives that the server ends the connection in the middle of the data', async () => {
    const label = 'x'.repeat(1024 * 1024);
    for (let round = 0; round < 3; round++) {
      const rows = Array.from({ length: 48 }, (_, n) => [n + 1, label]);
      const pid = await connect();
      const copy = withConnection(pool, (client) => copyInto(client, TARGET, rows)).catch((error: unknown) => error);
      // At a different moment of the transfer each round.
      await new Promise((resolve) => setTimeout(resolve, 20 * (round + 1)));
      await database.query('SELECT pg_terminate_backend($1)', [pid]);
      const outcome = await copy;
      await waitFor('the pool to have let go of it', () => pool.totalCount === 0);
      // The COPY may have been faster than we were, and said so; then all of it is there, and the connection was ended while it was idle.
      expect(await count()).toBe(outcome === 48 ? 48 : 0);
      await pool.query('TRUNCATE sample');
    }
  });
});

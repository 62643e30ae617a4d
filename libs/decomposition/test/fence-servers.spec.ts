import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { EmbeddedPostgres } from '#embedded-postgres';
import { waitFor } from '#testing';
import { fence, fencedTables } from '../src/core/fence/fence.js';

/** What the server of the other tests is not set up for. */
let root: string;
let server: EmbeddedPostgres;
let pool: pg.Pool;
const TABLES = [{ schema: 'public', name: 'item', partitioned: false }];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fence-'));
  await chmod(root, 0o711);
  server = new EmbeddedPostgres({
    dataDir: join(root, 'postgres'),
    password: 'fence',
    durable: false,
    settings: { max_prepared_transactions: 5, autovacuum_naptime: '1s' },
  });
  const { url } = await server.start();
  pool = new pg.Pool({ connectionString: url });
  await pool.query(
    'CREATE TABLE item (id int PRIMARY KEY, text text); ALTER TABLE item SET (autovacuum_enabled = false)',
  );
});
afterAll(async () => {
  await pool?.end();
  await server?.stop('immediate');
  await rm(root, { recursive: true, force: true });
});

describe('closing a table', () => {
  it('gives up on a prepared transaction, and leaves nothing', async () => {
    await pool.query(`BEGIN; INSERT INTO item VALUES (1, 'a'); PREPARE TRANSACTION 'half'`);
    await expect(fence(pool, TABLES, { reason: 'test', timeoutMs: 400, lockTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'timeout',
      next: expect.stringContaining('pg_prepared_xacts'),
    });
    expect(await fencedTables(pool, TABLES)).toEqual([]);
    await pool.query(`COMMIT PREPARED 'half'`);
    await fence(pool, TABLES, { reason: 'test', timeoutMs: 20_000 });
    expect(await fencedTables(pool, TABLES)).toEqual(TABLES);
    await pool.query('ALTER TABLE item DISABLE TRIGGER decomposition_fence');
  });

  it('does not wait for autovacuum to come to its end', async () => {
    await pool.query(`
      INSERT INTO item SELECT n, repeat('x', 500) FROM generate_series(10, 20000) n;
      DELETE FROM item WHERE id % 2 = 0;
      ALTER TABLE item SET (autovacuum_enabled = true, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`);
    await waitFor(
      'autovacuum',
      async () => (await pool.query(`SELECT FROM pg_stat_progress_vacuum WHERE relid = 'item'::regclass`)).rowCount,
      40_000,
    );
    // It takes minutes.
    await fence(pool, TABLES, { reason: 'test', timeoutMs: 20_000 });
    expect(await fencedTables(pool, TABLES)).toEqual(TABLES);
  });
});

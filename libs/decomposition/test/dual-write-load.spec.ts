import { afterEach, beforeEach, expect, it } from '@jest/globals';
import pg from 'pg';
import { DualWriteStream } from '../src/core/stream/dual-write/dual-write-stream.js';
import { DualClient } from '../src/route/dual/dual-client.js';
import { dualMove, FOREVER, rowsOf, waiting, type DualMove } from './support/dual-move.js';
import { sessionsRest } from './support/sessions-rest.js';

const ROUNDS = 60;
/** What concurrent writers may meet: deadlock, lock timeout, unique violation, a session that was ended. */
const EXPECTED = new Set(['40P01', '55P03', '23505', '57P01', 'ECONNRESET', 'EPIPE', undefined]);

let dual: DualMove;
let stopWatching: () => Promise<void>;

/** Another process reconciles meanwhile. */
beforeEach(async () => {
  dual = await dualMove();
  const stop = new AbortController();
  const watching = new DualWriteStream(dual.reopen(), 'source').run(stop.signal);
  stopWatching = async () => {
    stop.abort();
    await watching;
  };
});

afterEach(async () => {
  await stopWatching();
  await dual.drop();
});

function refuse(error: unknown): void {
  if (!EXPECTED.has((error as { code?: string }).code)) throw error;
}

async function expectConverged(): Promise<void> {
  await dual.stream.catchUp(30_000, FOREVER);
  const { source, target } = await rowsOf(dual.move);
  expect(target).toEqual(source);
  expect(source.length).toBeGreaterThan(0);
  expect([await waiting(dual.source), await waiting(dual.target)]).toEqual([0, 0]);
}

/** About the same few rows, so that writers meet. */
function writes(seed: number, i: number): string[] {
  const id = (seed * 31 + i * 7) % 60;
  return [
    `INSERT INTO items (id, label) VALUES (${id}, 'w${(id + i) % 60}') ON CONFLICT DO NOTHING`,
    `UPDATE items SET n = n + 1, label = NULL WHERE id BETWEEN ${id} AND ${id + 3}`,
    ...(i % 3 === 0 ? [`UPDATE items SET label = 'w${(id * 7) % 60}' WHERE id = ${id}`] : []),
    ...(i % 5 === 0 ? [`DELETE FROM items WHERE id = ${id + 1}`] : []),
    ...(i % 9 === 0 ? [`UPDATE items SET id = ${1000 * seed + i} WHERE id = ${id + 2}`] : []),
    ...(i % 4 === 0
      ? [`INSERT INTO parts VALUES (${id}, 'n', 'x') ON CONFLICT (region, id) DO UPDATE SET region = 's'`]
      : []),
  ];
}

async function outsider(seed: number): Promise<void> {
  for (let i = 0; i < ROUNDS; i++) {
    for (const sql of writes(seed, i)) await dual.source.query(sql).catch(refuse);
    if (seed === 1 && i === ROUNDS / 2) await dual.source.query('TRUNCATE items').catch(refuse);
  }
}

it('writers that take no part: triggers tell of all they write', async () => {
  await Promise.all([1, 2, 3, 4].map(outsider));
  await expectConverged();
});

it('writers of both sides, others beside them, and sessions of both sides that break', async () => {
  const pools = (['source', 'target'] as const).map((side) => {
    const pool = new pg.Pool({ connectionString: dual.move.urls[side], max: 4, connectionTimeoutMillis: 20_000 });
    pool.on('error', () => undefined);
    return pool;
  });
  const [olds, news] = pools as [pg.Pool, pg.Pool];
  let failedHalves = 0;
  const participant = async (seed: number): Promise<void> => {
    for (let i = 0; i < ROUNDS; i++) {
      const old = await olds.connect();
      old.on('error', () => undefined);
      const client = new DualClient({
        old,
        fresh: () => news.connect(),
        onFailedHalf: () => failedHalves++,
        halfTimeoutMs: 300,
      });
      let failure: Error | undefined;
      try {
        await client.query('BEGIN');
        for (const sql of writes(seed, i)) await client.query(sql);
        await client.query(i % 7 === 0 ? 'ROLLBACK' : 'COMMIT');
        await client.query(`UPDATE items SET n = n + 100 WHERE id = ${i}`);
      } catch (error) {
        failure = error as Error;
        refuse(error);
      } finally {
        client.release(failure);
      }
    }
  };
  const breaker = async (): Promise<void> => {
    for (let i = 0; i < 12; i++)
      await (i % 3 === 0 ? dual.source : dual.target).query(
        `SELECT pg_terminate_backend(pid, 5000), pg_sleep(0.05) FROM pg_stat_activity WHERE pid = (
           SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
             AND application_name <> 'gravitas-split' LIMIT 1)`,
      );
  };
  await Promise.all([...[1, 2, 3].map(participant), outsider(4), breaker()]);
  await Promise.all(pools.map((pool) => pool.end()));
  expect(failedHalves).toBeGreaterThan(0);
  await sessionsRest(dual.source, dual.target);
  await expectConverged();
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { DualClient } from '../src/route/dual/dual-client.js';
import { dualMove, FOREVER, rowsOf, waiting, type DualMove } from './support/dual-move.js';

/** Short, so that sessions that wait for each other's rows give up soon: that is one of the failures. */
const PATIENCE_MS = 40;

let dual: DualMove;
let olds: pg.Pool;
let news: pg.Pool;

beforeAll(async () => {
  dual = await dualMove();
  const pool = (connectionString: string): pg.Pool => {
    const options = `-c lock_timeout=${PATIENCE_MS}`;
    const made = new pg.Pool({ connectionString, max: 8, options, connectionTimeoutMillis: 5000 });
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

const id = fc.integer({ min: 1, max: 4 });
const label = fc.constantFrom('a', 'b', 'c');
const write = fc.oneof(
  fc.tuple(id, label).map(([i, l]) => `INSERT INTO items (id, label) VALUES (${i}, '${l}')`),
  fc.tuple(id, label).map(([i, l]) => `UPDATE items SET label = '${l}' WHERE id = ${i}`),
  fc.tuple(id, id).map(([i, j]) => `UPDATE items SET id = ${j}, n = n + 1 WHERE id = ${i}`),
  id.map((i) => `DELETE FROM items WHERE id = ${i}`),
  fc.constant(`UPDATE items SET label = CASE label WHEN 'a' THEN NULL ELSE 'a' END WHERE label IN ('a', 'b')`),
  fc.tuple(id, fc.constantFrom('n', 's')).map(([i, r]) => `INSERT INTO parts VALUES (${i}, '${r}', 'x')`),
  id.map((i) => `UPDATE parts SET region = CASE region WHEN 'n' THEN 's' ELSE 'n' END WHERE id = ${i}`),
);
/** `0` and `1` write both sides, `2` only the old one. */
const writer = fc.integer({ min: 0, max: 2 });
const step = fc.oneof(
  { weight: 10, arbitrary: fc.tuple(writer, write) },
  {
    weight: 5,
    arbitrary: fc.tuple(writer, fc.constantFrom('BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'ROLLBACK TO s')),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant(2), fc.constantFrom('TRUNCATE items', 'TRUNCATE parts_n')) },
  { weight: 3, arbitrary: fc.constantFrom('reconcile', 'kill new', 'kill old', 'no new' as const) },
);

interface Writers {
  all: (DualClient | pg.PoolClient)[];
  /** The new side cannot be reached. */
  isDown: boolean;
}

async function perform(one: readonly [number, string] | string, writers: Writers): Promise<void> {
  if (typeof one !== 'string') await writers.all[one[0]]!.query(one[1]).catch(() => undefined);
  else if (one === 'reconcile') await dual.stream.reconcileOnce(FOREVER);
  else if (one === 'no new') writers.isDown = !writers.isDown;
  else
    await (one === 'kill new' ? dual.target : dual.source).query(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()
       AND application_name <> 'gravitas-split' AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()`,
    );
}

it('whatever writers do, in whatever order, and whatever breaks: both sides end up equal', async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
    await dual.source.query(
      `TRUNCATE items, parts; INSERT INTO items (id, label) VALUES (1, 'a'), (2, 'b'); INSERT INTO parts VALUES (1, 'n'), (2, 's')`,
    );
    await dual.stream.catchUp(10_000, FOREVER);
    const writers: Writers = { all: [], isDown: false };
    const fresh = (): Promise<pg.PoolClient> => (writers.isDown ? Promise.reject(new Error('down')) : news.connect());
    for (let i = 0; i < 3; i++) {
      const old = await olds.connect();
      old.on('error', () => undefined);
      writers.all.push(i < 2 ? new DualClient({ old, fresh, halfTimeoutMs: PATIENCE_MS }) : old);
    }
    for (const one of steps) await perform(one, writers);
    for (const client of writers.all) {
      await client.query('ROLLBACK').catch(() => undefined);
      client.release(true);
    }
    await dual.stream.catchUp(10_000, FOREVER);
    const { source, target } = await rowsOf(dual.move);
    expect(target).toEqual(source);
    expect([await waiting(dual.source), await waiting(dual.target)]).toEqual([0, 0]);
  });
  await fc.assert(property, { numRuns: 60 });
}, 120_000);

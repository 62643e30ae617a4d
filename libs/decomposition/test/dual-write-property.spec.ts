import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { DualClient } from '../src/route/dual/dual-client.js';
import { dualMove, FOREVER, rowsOf, waiting, type DualMove } from './support/dual-move.js';
import { sessionsRest } from './support/sessions-rest.js';

/** Short, so that sessions that wait for each other's rows give up soon: that is one of the failures. */
const PATIENCE_MS = 40;

let dual: DualMove;
let olds: pg.Pool;
let news: pg.Pool;

beforeAll(async () => {
  dual = await dualMove();
  const pool = (connectionString: string): pg.Pool => {
    const options = `-c lock_timeout=${PATIENCE_MS}`;
    const made = new pg.Pool({ connectionString, max: 8, options, connectionTimeoutMillis: 20_000 });
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
type Step = readonly [number, string] | 'reconcile' | 'kill new' | 'kill old' | 'break old at COMMIT' | 'no new';
const fault = fc.constantFrom<Step>('kill new', 'kill old', 'break old at COMMIT', 'no new');
const end = fc.constantFrom('COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'ROLLBACK TO s');
const steps = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.tuple(writer, write)) },
  { weight: 3, arbitrary: fc.tuple(fc.tuple(writer, fc.oneof(fc.constant('BEGIN'), end))) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom<Step>([2, 'TRUNCATE items'], [2, 'TRUNCATE parts_n'])) },
  { weight: 3, arbitrary: fc.tuple(fc.oneof(fault, fc.constant<Step>('reconcile'))) },
  // A transaction that may break just before its end.
  {
    weight: 3,
    arbitrary: fc
      .tuple(writer, fc.array(write, { minLength: 1, maxLength: 2 }), fc.option(fault), end)
      .map(([who, all, broken, how]): Step[] => [
        [who, 'BEGIN'],
        ...all.map((sql) => [who, sql] as const),
        ...(broken ? [broken] : []),
        [who, how],
      ]),
  },
);

class Writers {
  /** The new side cannot be reached. */
  private isDown = false;
  private breaksAtCommit = false;
  private all: (DualClient | pg.PoolClient)[] = [];

  async open(): Promise<void> {
    const fresh = (): Promise<pg.PoolClient> => (this.isDown ? Promise.reject(new Error('down')) : news.connect());
    for (let i = 0; i < 3; i++) {
      const old = await olds.connect();
      old.on('error', () => undefined);
      await this.mayBreak(old);
      this.all.push(i < 2 ? new DualClient({ old, fresh, halfTimeoutMs: PATIENCE_MS }) : old);
    }
  }

  async perform(step: Step): Promise<void> {
    if (typeof step !== 'string') await this.all[step[0]]!.query(step[1]).catch(() => undefined);
    else if (step === 'reconcile') await dual.stream.reconcileOnce(FOREVER);
    else if (step === 'no new') this.isDown = !this.isDown;
    else if (step === 'break old at COMMIT') this.breaksAtCommit = true;
    else
      await (step === 'kill new' ? dual.target : dual.source).query(
        `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()
         AND application_name <> 'gravitas-split' AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()`,
      );
  }

  async close(): Promise<void> {
    this.breaksAtCommit = false;
    for (const client of this.all) {
      await client.query('ROLLBACK').catch(() => undefined);
      client.release(true);
    }
  }

  /** As if the old side went away when all that is left to say is COMMIT. */
  private async mayBreak(old: pg.PoolClient): Promise<void> {
    const { rows } = await old.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const query = old.query.bind(old) as (...args: unknown[]) => Promise<unknown>;
    const asked = async (...args: unknown[]): Promise<unknown> => {
      const [first] = args as [string | { text: string }];
      if (this.breaksAtCommit && (typeof first === 'string' ? first : first.text) === 'COMMIT') {
        this.breaksAtCommit = false;
        await dual.source.query('SELECT pg_terminate_backend($1, 5000)', [rows[0]!.pid]);
      }
      return query(...args);
    };
    old.query = asked as typeof old.query;
  }
}

it('whatever writers do, in whatever order, and whatever breaks: both sides end up equal', async () => {
  const property = fc.asyncProperty(fc.array(steps, { minLength: 2, maxLength: 10 }), async (groups) => {
    await dual.source.query(
      `TRUNCATE items, parts; INSERT INTO items (id, label) VALUES (1, 'a'), (2, 'b'); INSERT INTO parts VALUES (1, 'n'), (2, 's')`,
    );
    await dual.stream.catchUp(10_000, FOREVER);
    const writers = new Writers();
    try {
      await writers.open();
      for (const step of groups.flat()) await writers.perform(step);
    } finally {
      await writers.close();
    }
    await sessionsRest(dual.source, dual.target);
    await dual.stream.catchUp(10_000, FOREVER);
    const { source, target } = await rowsOf(dual.move);
    expect(target).toEqual(source);
    expect([await waiting(dual.source), await waiting(dual.target)]).toEqual([0, 0]);
  });
  // A reconciler that waited for a table for good.
  const locked: Step[] = [[2, 'DELETE FROM items WHERE id = 1'], [2, 'BEGIN'], [2, 'TRUNCATE items'], 'reconcile'];
  await fc.assert(property, { numRuns: 40, timeout: 60_000, examples: [[[locked]]] });
}, 300_000);

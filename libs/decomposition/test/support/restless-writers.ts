import type pg from 'pg';

/** `doc` has a long text kept out of line, and a unique `place`; `tick` is partitioned and sometimes emptied. */
export const RESTLESS_DDL = `
  CREATE TABLE doc (id int PRIMARY KEY, place int NOT NULL, n int NOT NULL DEFAULT 0, body text);
  ALTER TABLE doc ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE tick (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE tick_1 PARTITION OF tick FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE tick_2 PARTITION OF tick FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`;
export const RESTLESS_TABLES = ['doc', 'tick'];
/** Keys are taken from so many, so that they come again and again. */
const KEYS = 1500;
export const RESTLESS_DATA = `
  CREATE UNIQUE INDEX doc_place ON doc (place);
  INSERT INTO doc SELECT n * 2, n, 0, repeat(md5(n::text), 80) FROM generate_series(1, ${KEYS / 2}) n;
  INSERT INTO tick SELECT n, date '2026-01-01' + n % 58, 'v' FROM generate_series(1, 600) n`;

/** What writers in each other's way may meet: a value that is taken, deadlock, a row that has changed, a lock that does not come. */
const EXPECTED = new Set(['23505', '40P01', '40001', '55P03']);
const below = (limit: number): number => Math.floor(Math.random() * limit);
const id = (): number => below(KEYS);
const day = (): string => `date '2026-01-01' + ${below(58)}`;

/** Transactions as an application would send them; unique `place`s trade rows. */
const CHANGES = [
  () =>
    `INSERT INTO doc VALUES (${id()}, floor(random() * 1e9)::int + 10000, 0, repeat(md5(random()::text), 80)) ON CONFLICT DO NOTHING`,
  () => `UPDATE doc SET n = n + 1 WHERE id IN (${id()}, ${id()})`,
  () => `UPDATE doc SET body = repeat(md5(random()::text), 80) WHERE id = ${id()}`,
  () => `DELETE FROM doc WHERE id = ${id()}`,
  () => `UPDATE doc SET id = ${id()} WHERE id = ${id()}`,
  () => `UPDATE doc SET id = ${id()}, body = repeat(md5(random()::text), 70) WHERE id = ${id()}`,
  () => `DO $$ DECLARE a doc; b doc; BEGIN
     SELECT * INTO a FROM doc WHERE id = ${id()} FOR UPDATE; SELECT * INTO b FROM doc WHERE id = ${id()} FOR UPDATE;
     IF a.id <> b.id THEN
       UPDATE doc SET place = -a.place WHERE id = a.id; UPDATE doc SET place = a.place WHERE id = b.id; UPDATE doc SET place = b.place WHERE id = a.id;
     END IF; END $$`,
  () => `DO $$ DECLARE a doc; BEGIN
     DELETE FROM doc WHERE id = ${id()} RETURNING * INTO a;
     IF a.id IS NOT NULL THEN INSERT INTO doc VALUES (a.id, a.place, -1, 'again'); END IF; END $$`,
  () => `INSERT INTO tick VALUES (${id()}, ${day()}, 'new') ON CONFLICT DO NOTHING`,
  () => `UPDATE tick SET v = v || 'x' WHERE id = ${id()}`,
  () => `UPDATE tick SET day = ${day()} WHERE id = ${id()}`,
  () => `DELETE FROM tick WHERE id IN (${id()}, ${id()})`,
];

export interface Writers {
  /** Resolves with the number of transactions when all have ended. */
  stop: () => Promise<number>;
}

/** Each change is asked of the pool anew: a routed one may lead elsewhere by then. */
export function startWriters(pool: pg.Pool, count = 3): Writers {
  let running = true;
  let done = 0;
  const write = async (): Promise<void> => {
    for (let turn = 0; running; turn += 1) {
      const change = CHANGES[below(CHANGES.length)]!;
      const sql = turn % 400 === 399 ? 'TRUNCATE tick' : change();
      await pool.query(sql).catch((error: { code?: string }) => {
        if (!EXPECTED.has(error.code ?? '')) throw error;
      });
      done += 1;
    }
  };
  const all = Array.from({ length: count }, write);
  return {
    stop: async () => {
      running = false;
      await Promise.all(all);
      return done;
    },
  };
}

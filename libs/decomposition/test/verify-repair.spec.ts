import { afterEach, describe, expect, it } from '@jest/globals';
import { verify } from '../src/core/verify/verify.js';
import { found, movedInStep, plant, stillStream } from './support/planted.js';
import { type SmallMove } from './support/small-move.js';

describe('verify --repair', () => {
  let small: SmallMove;
  afterEach(() => small.drop());

  const ddl = `
    CREATE TABLE p (id int PRIMARY KEY);
    CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz, v text[], n numeric, twice bigint GENERATED ALWAYS AS (id * 2) STORED,
      p int REFERENCES p, PRIMARY KEY (id, at));
    INSERT INTO p VALUES (1);
    INSERT INTO t (at, v, n, p) SELECT '2025-01-01', ARRAY[i::text, NULL, ''], i / 3.0, 1 FROM generate_series(1, 5000) i`;

  it('makes the rows of the target as those of the source, and looks at them again', async () => {
    small = await movedInStep({ ddl, tables: ['p', 't'] });
    const run = (options = {}) => verify(small.move, { stream: stillStream(), ...options });
    await plant(
      small.target,
      `DELETE FROM t WHERE id IN (5, 4999); UPDATE t SET v = NULL, n = n + 1 WHERE id = 77; DELETE FROM p;
       INSERT INTO t (id, at, p) OVERRIDING SYSTEM VALUE VALUES (9999, '2025-01-01', 7)`,
    );
    const wanted = ['changed t 77', 'extra t 9999', 'missing p 1', 'missing t 4999', 'missing t 5'].map((text) =>
      text.replace(/( t \d+)$/, '$1/2025-01-01 00:00:00+00'),
    );
    expect(found(await run())).toEqual(wanted);
    const repaired = await run({ repair: true });
    expect(repaired).toMatchObject({ clean: true, repaired: 5, differences: [], difference_count: 0 });
    expect((await small.move.state.read()).verifiedAt).toEqual(repaired.started_at);
    const { rows } = await small.target.query<{ repaired: boolean }>(
      'SELECT repaired_at IS NOT NULL AS repaired FROM decomposition.differences',
    );
    expect(rows.map((row) => row.repaired)).toEqual([true, true, true, true, true]);
    const all = 'SELECT md5(string_agg(t::text, chr(10) ORDER BY id)) AS sum FROM t';
    expect((await small.target.query(all)).rows).toEqual((await small.source.query(all)).rows);
    expect(await run({ full: true })).toMatchObject({ clean: true, repaired: 0 });
    const { rows: journal } = await small.target.query<{ detail: { repaired: number } }>(
      `SELECT detail FROM decomposition.journal WHERE verb = 'verify' ORDER BY id`,
    );
    expect(journal.map(({ detail }) => detail.repaired)).toEqual([0, 5, 0]);
  });

  it('repairs the source once the target is authoritative', async () => {
    small = await movedInStep({ ddl, tables: ['p', 't'] });
    await small.target.query(`UPDATE decomposition.moves SET phase = 'switched', writes = 'target'`);
    await plant(small.source, 'DELETE FROM t WHERE id = 5');
    const result = await verify(small.move, { stream: stillStream() });
    expect(result.differences[0]?.detail).toContain('is in the target and missing in the source');
    expect(await verify(small.move, { stream: stillStream(), repair: true })).toMatchObject({
      clean: true,
      repaired: 1,
    });
    expect((await small.source.query('SELECT FROM t')).rowCount).toBe(5000);
  });

  it('leaves what only people can decide, and says so', async () => {
    small = await movedInStep({
      ddl: 'CREATE TABLE t (id int PRIMARY KEY, p int); CREATE TABLE q (id int PRIMARY KEY); INSERT INTO t VALUES (1, 2)',
      tables: ['t'],
      service: { references: [{ from: 't.p', to: 'q.id' }] },
    });
    const notes: string[] = [];
    const move = small.reopen({ progress: { note: (text) => notes.push(text), at: () => undefined } });
    const result = await verify(move, { stream: stillStream(), repair: true });
    expect(found(result)).toEqual(['reference t 1']);
    expect(notes.join()).toContain('References, chains and the schema need somebody');
  });
});

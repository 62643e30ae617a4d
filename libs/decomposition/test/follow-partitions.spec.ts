import { afterEach, describe, expect, it } from '@jest/globals';
import { driftOf } from '../src/core/create/drift.js';
import { followPartitions } from '../src/core/create/follow-partitions.js';
import { FENCED } from '../src/core/fence/fence.js';
import { verbs } from '../src/core/library.js';
import { type Side } from '../src/core/side.js';
import { openStream } from '../src/core/stream/open-stream.js';
import { patiently } from './support/patiently.js';
import { realMove, type RealMove } from './support/real-move.js';

const SOURCE = `
  CREATE TABLE event (day int, id int, note text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
  CREATE INDEX ON event (note);
  CREATE TABLE event_0 PARTITION OF event FOR VALUES FROM (0) TO (10);
  CREATE UNIQUE INDEX ON event_0 (id);
  INSERT INTO event SELECT n / 100, n, 'note ' || n FROM generate_series(1, 200) n`;
/** Nobody's writes wait for it. */
const SWITCH = { dryRun: false, pauseTimeoutMs: 20_000 };

describe.each(['replication', 'dual-write'])('partitions that come during a move by %s', (strategy) => {
  let real: RealMove;
  afterEach(() => real.drop());

  const begin = async (): Promise<void> => {
    real = await realMove({ source: SOURCE, tables: ['event'], service: { strategy } });
    await real.bringInStep();
  };
  const create = () =>
    verbs.create(real.move, { dryRun: false, passwords: () => 'not-used-by-anyone', migrate: async () => undefined });
  /** As a service does it: with what belongs to the partition alone. */
  const add = (side: Side, number: number) =>
    real[side].query(`
      CREATE TABLE event_${number} PARTITION OF event FOR VALUES FROM (${number}0) TO (${number + 1}0);
      CREATE UNIQUE INDEX ON event_${number} (id)`);
  const fill = (side: Side, number: number) =>
    real[side].query(`INSERT INTO event SELECT ${number}0, ${number}000 + n, 'new' FROM generate_series(1, 50) n`);
  const count = async (side: Side): Promise<number> =>
    (await real[side].query<{ n: number }>('SELECT count(*)::int AS n FROM event')).rows[0]!.n;
  const verified = () => verbs.verify(real.move, { full: false, repair: false });

  it('are made on the side that follows, there and back, by the verbs that need them', async () => {
    await begin();
    await add('source', 1);
    expect(await verified()).toMatchObject({ clean: true, differences: [] });
    await fill('source', 1);
    await add('source', 2);
    await verified();
    await add('source', 3);
    await patiently(() => verbs.switchWrites(real.move, SWITCH));
    expect([await driftOf(real.move), await count('target')]).toEqual([[], 250]);

    // Nobody looks at the plan at midnight: an automatic reverse must find its way.
    await add('target', 4);
    await add('target', 5);
    await patiently(() => verbs.reverse(real.move, SWITCH));
    expect(await driftOf(real.move)).toEqual([]);
    await fill('source', 5);
    await verified();
    await patiently(() => verbs.switchWrites(real.move, SWITCH));
    await fill('target', 4);
    // Who applies that holds the table.
    await openStream(real.move, 'target').catchUp(20_000, real.move.signal);
    await add('target', 6);
    expect((await create()).made).toContain('partition public.event_6');
    await patiently(() => verbs.complete(real.move, { dryRun: false, now: true }));
    expect(await count('target')).toBe(350);
  });

  it('are closed there, belong to whom the table belongs, and are made once', async () => {
    await begin();
    await add('source', 1);
    const made = await Promise.all([followPartitions(real.move), followPartitions(real.move)]);
    expect(made.flat().filter((label) => label.startsWith('partition'))).toEqual(['partition public.event_1']);
    expect(await followPartitions(real.move)).toEqual([]);
    for (const sql of ['TRUNCATE event_1', `INSERT INTO event_1 VALUES (10, 1, 'past the fence')`])
      await expect(real.target.query(sql)).rejects.toMatchObject({ code: FENCED });
    const { rows } = await real.target.query<{ relname: string; owner: string; unique: number }>(
      `SELECT relname, pg_get_userbyid(relowner) AS owner,
           (SELECT count(*)::int FROM pg_index WHERE indrelid = c.oid AND indisunique AND NOT indisprimary) AS unique
         FROM pg_class c WHERE relname IN ('event_0', 'event_1') ORDER BY 1`,
    );
    const { owner } = real.move.service;
    expect(rows).toEqual(['event_0', 'event_1'].map((relname) => ({ relname, owner: owner.name, unique: 1 })));
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { abandon, type AbandonOptions, type AbandonReport } from '../src/core/abandon/abandon.js';
import { create } from '../src/core/create/create.js';
import { fence } from '../src/core/fence/fence.js';
import { verbs } from '../src/core/library.js';
import { type Move } from '../src/core/move.js';
import { type Side } from '../src/core/side.js';
import { openStream } from '../src/core/stream/open-stream.js';
import { ABANDON_STEPS } from '../src/core/switch/steps.js';
import { patiently } from './support/patiently.js';
import { once, PASSWORD, richSource, type RichSource } from './support/rich-source.js';

const DDL = `CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL UNIQUE);
  INSERT INTO people SELECT i, 'name ' || i FROM generate_series(1, 500) i;
  CREATE TABLE users (id int PRIMARY KEY)`;
const MARKS = `
  SELECT 'slot ' || slot_name AS what FROM pg_replication_slots WHERE database = current_database()
  UNION ALL SELECT 'subscription ' || subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
  UNION ALL SELECT 'publication ' || pubname FROM pg_publication
  UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE 'decomposition%'
  UNION ALL SELECT 'log of changes' WHERE to_regclass('decomposition.changes') IS NOT NULL`;

let rich: RichSource;
let move: Move;
const tools = { openStream, restorable: async (_, keys) => keys } as AbandonOptions['tools'];
const unreachable = new pg.Pool({ connectionString: 'postgres://nobody:secret@127.0.0.1:1/nothing' });
const give = (options: Partial<AbandonOptions> = {}): Promise<AbandonReport> => abandon(move, { tools, ...options });

async function begin(strategy: 'replication' | 'dual-write' = 'replication'): Promise<void> {
  rich = await richSource({ ddl: DDL, shop: { tables: ['people'], strategy } });
  move = rich.open();
}
async function inStep(strategy?: 'replication' | 'dual-write'): Promise<void> {
  await begin(strategy);
  await create(move, { passwords: () => PASSWORD });
  await verbs.copy(move);
}
async function left(side: Side): Promise<string[]> {
  const client = new pg.Client({ connectionString: move.urls[side], connectionTimeoutMillis: 20_000 });
  await client.connect();
  const { rows } = await client.query<{ what: string }>(MARKS);
  await client.end();
  return rows.map(({ what }) => what);
}
const rowsOf = async (side: Side): Promise<number> =>
  (await move.databases[side].query('SELECT FROM people')).rowCount ?? 0;

describe('abandon', () => {
  afterEach(() => rich.drop());

  it.each(['replication', 'dual-write'] as const)(
    'leaves nothing of a move but what was copied (%s)',
    async (strategy) => {
      await inStep(strategy);
      await verbs.verify(move, { full: true, repair: false });
      await patiently(() => verbs.switchReads(move, { percent: 100, dryRun: false }));
      expect(await give({ dryRun: true })).toMatchObject({
        did: 'nothing',
        phase: 'in_step',
        would: expect.any(String),
      });
      expect(await left('source')).not.toEqual([]);
      expect(await give()).toEqual({ did: 'abandoned', would: '', phase: 'in_step', late: [] });
      expect([await left('source'), await left('target')]).toEqual([[], []]);
      expect(await move.state.find()).toBeUndefined();
      await move.databases.source.query(`INSERT INTO people VALUES (1000, 'x')`);
      expect([await rowsOf('source'), await rowsOf('target')]).toEqual([501, 500]);
      expect(await give()).toMatchObject({ did: 'nothing' });
    },
  );

  it('drops the database, if it is asked to; then all can begin anew', async () => {
    await inStep();
    expect(await give({ drop: true })).toMatchObject({ did: 'dropped' });
    expect(await left('source')).toEqual([]);
    await expect(left('target')).rejects.toMatchObject({ code: '3D000' });
    expect(await give({ drop: true })).toMatchObject({ did: 'nothing' });
    await create(move, { passwords: () => PASSWORD });
    await verbs.copy(move);
    expect(await rowsOf('target')).toBe(500);
    await give({ drop: true });
  });

  it('goes on wherever it was killed, and nothing else does meanwhile', async () => {
    await inStep();
    for (const last of ABANDON_STEPS) {
      const onStep = (step: string): void => {
        if (step === last) throw new Error(`killed after ${last}`);
      };
      await expect(give({ onStep })).rejects.toThrow(`killed after ${last}`);
    }
    await expect(create(move, { passwords: () => PASSWORD })).rejects.toMatchObject({ code: 'refused' });
    await expect(verbs.copy(move)).rejects.toMatchObject({ code: 'refused' });
    expect(await give({ drop: true })).toMatchObject({ did: 'dropped', phase: 'abandoned' });
    expect(await left('source')).toEqual([]);
  });

  it('is refused once rows may be on the target only', async () => {
    await begin();
    await create(move, { passwords: () => PASSWORD });
    for (const change of [
      { phase: 'in_step', writes: 'paused', pausedFor: 'switch' },
      { phase: 'switched', writes: 'target', pausedFor: null },
      { phase: 'completed' },
    ] as const) {
      await move.state.change(change);
      await expect(give()).rejects.toMatchObject({ code: 'refused' });
    }
    await fence(move.databases.source, await move.tables('source'), { reason: 'switched' });
    await expect(give({ withoutTarget: true })).rejects.toMatchObject({ code: 'refused', message: /takes no writes/ });
  });

  it('takes away what a `create` has left that did not come to its end', async () => {
    await begin();
    const stop = new AbortController();
    const note = (text: string): void => void (text.includes('rights') && stop.abort());
    const one = rich.open('shop', { signal: stop.signal, progress: { note, at: () => undefined } });
    await expect(create(one, { passwords: () => PASSWORD })).rejects.toMatchObject({ code: 'interrupted' });
    expect(await left('target')).not.toEqual([]);
    expect(await give()).toMatchObject({ did: 'abandoned', phase: null });
    expect([await left('source'), await left('target')]).toEqual([[], []]);
  });

  it('tidies the source when the target is gone, and the target when it is back', async () => {
    await inStep();
    const { rows } = await move.databases.target.query<{ name: string }>(
      'SELECT subname AS name FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()',
    );
    await move.databases.target.query(`ALTER SUBSCRIPTION ${rows[0]!.name} DISABLE`);
    expect(await give({ withoutTarget: true })).toMatchObject({ did: 'abandoned', phase: null });
    expect(await left('source')).toEqual([]);
    expect(await give({ withoutTarget: true })).toMatchObject({ did: 'nothing' });
    expect(await give({ drop: true })).toMatchObject({ did: 'dropped', phase: 'in_step' });
  });

  it('asks nothing of a target that is gone (dual-write)', async () => {
    await inStep('dual-write');
    const databases = { ...move.databases, target: unreachable };
    expect(await abandon({ ...move, databases }, { tools, withoutTarget: true })).toMatchObject({ did: 'abandoned' });
    expect(await left('source')).toEqual([]);
    expect(await left('target')).not.toEqual([]);
  });

  it('leaves a database alone that no move has made, or that is not of this move alone', async () => {
    await begin();
    await once(rich.plan.source, `CREATE DATABASE rich_shop_${rich.tag}`);
    await expect(give({ drop: true })).rejects.toMatchObject({ code: 'refused', message: /No move has made/ });
    await create(move, { passwords: () => PASSWORD });
    await move.databases.target.query(
      `INSERT INTO decomposition.moves (service, strategy) VALUES ('other', 'replication')`,
    );
    await expect(give({ drop: true })).rejects.toMatchObject({ code: 'refused', message: /also that of other/ });
    await give();
    const { rows } = await move.databases.target.query('SELECT service FROM decomposition.moves');
    expect(rows).toEqual([{ service: 'other' }]);
  });
});

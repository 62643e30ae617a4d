import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { status } from '../src/core/status/status.js';
import { complete } from '../src/core/switch/complete.js';
import { type MoveReport } from '../src/core/switch/complete-report.js';
import { reverse } from '../src/core/switch/reverse.js';
import { COMPLETE_STEPS, DROP_STEPS, type StepName } from '../src/core/switch/steps.js';
import { switchWrites } from '../src/core/switch/switch-writes.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

/** Nobody's writes wait for it. */
const PAUSE = { pauseTimeoutMs: 20_000 };

let one: SwitchCase;
beforeEach(async () => {
  one = await switchCase();
  await switchWrites(one.move, { tools: one.tools, ...PAUSE });
});
afterEach(() => one?.drop());

async function sourceHas(name: string): Promise<boolean> {
  const { rows } = await one.source.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [name]);
  return rows[0]!.there;
}

/** Past the fence. */
async function aloneOnSource(sql: string): Promise<void> {
  await one.source.query(`BEGIN; SET LOCAL session_replication_role = replica; ${sql}; COMMIT`);
}

async function schemas(): Promise<string[]> {
  const { rows } = await one.source.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'decomposition%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

describe('complete', () => {
  it('puts the tables aside, drops them when their time has come, and reports', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'complete-'));
    const aside = await complete(one.move, { tools: one.tools, dropAfterMs: 60_000, reportDir: directory });
    expect(aside).toMatchObject({ did: 'retired' });
    expect(aside.steps.map(({ step }) => step)).toEqual([...COMPLETE_STEPS]);
    expect(await sourceHas('public.item')).toBe(false);
    // Partitions and the sequence have gone along, and nobody writes there.
    for (const name of ['item', 'entry', 'entry_1', 'item_id_seq'])
      expect(await sourceHas(`decomposition_retired.${name}`)).toBe(true);
    await expect(one.source.query('INSERT INTO decomposition_retired.item (amount) VALUES (1)')).rejects.toThrow(
      'takes no writes here',
    );
    await one.target.query('INSERT INTO item (amount) VALUES (1)');
    expect(await complete(one.move, { tools: one.tools })).toMatchObject({
      did: 'nothing',
      drop_after: aside.drop_after,
    });
    await expect(reverse(one.move, { tools: one.tools })).rejects.toMatchObject({ code: 'refused' });

    await one.move.state.change({ dropAfter: new Date(Date.now() - 1) });
    const dropped = await complete(one.move, { tools: one.tools, reportDir: directory });
    expect(dropped).toMatchObject({ did: 'dropped', drop_after: null });
    expect(dropped.steps.map(({ step }) => step)).toEqual([...DROP_STEPS]);
    expect(await schemas()).toEqual([]);
    expect(await sourceHas('public.account')).toBe(true);
    const fences = await one.target.query(`SELECT FROM pg_trigger WHERE tgname LIKE 'decomposition_fence%'`);
    expect(fences.rowCount).toBe(0);
    expect(await complete(one.move, { tools: one.tools })).toMatchObject({ did: 'nothing' });

    const [json = '', markdown = ''] = dropped.report;
    const report = JSON.parse(await readFile(json, 'utf8')) as MoveReport;
    expect(report).toMatchObject({
      service: 'thing',
      phase: 'completed',
      tables: [
        { table: 'public.item', rows: 50 },
        { table: 'public.entry', rows: 50 },
      ],
      pauses_ms: [expect.any(Number)],
    });
    expect(report.journal.map(({ step }) => step)).toEqual(expect.arrayContaining(['flip', 'retire', 'drop']));
    expect(await readFile(markdown, 'utf8')).toContain('| public.item | 50 |');
    await rm(directory, { recursive: true });
  });

  it('is refused while a view needs the tables, and names it', async () => {
    await one.source.query(
      'CREATE VIEW totals AS SELECT sum(amount) FROM item; CREATE VIEW day_1 AS SELECT * FROM entry_1',
    );
    await expect(complete(one.move, { tools: one.tools, now: true })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('view public.day_1, view public.totals'),
    });
    expect(await one.move.state.read()).toMatchObject({ phase: 'switched' });
    await one.source.query('DROP VIEW totals, day_1');
    expect(await complete(one.move, { tools: one.tools, now: true })).toMatchObject({ did: 'dropped' });
  });

  it('is refused before the switch, when the sides differ, and when the source does not follow', async () => {
    await aloneOnSource('UPDATE item SET amount = -1 WHERE id = 7');
    await expect(complete(one.move, { tools: one.tools })).rejects.toMatchObject({
      code: 'different',
      message: expect.stringContaining('public.item (7): changed'),
    });
    await aloneOnSource('UPDATE item SET amount = 7 WHERE id = 7');
    await one.streams.open(one.move, 'target').stop();
    await expect(complete(one.move, { tools: one.tools })).rejects.toMatchObject({
      message: expect.stringContaining('stream (nothing is being followed)'),
    });
    await reverse(one.move, { tools: one.tools, ...PAUSE });
    await expect(complete(one.move, { tools: one.tools })).rejects.toMatchObject({
      message: expect.stringContaining('phase (phase in_step'),
    });
  });

  it('changes nothing in a dry run', async () => {
    const report = await complete(one.move, { tools: one.tools, dryRun: true });
    expect(report).toMatchObject({ did: 'nothing', would: "put the source's tables aside" });
    expect(await one.move.state.read()).toMatchObject({ phase: 'switched' });
  });

  it('goes on after a kill at any step', async () => {
    for (const step of [...COMPLETE_STEPS, ...DROP_STEPS]) {
      const onStep = (done: StepName): void => {
        if (done === step) throw new Error('killed');
      };
      await expect(complete(one.move, { tools: one.tools, now: true, onStep })).rejects.toThrow('killed');
    }
    await complete(one.move, { tools: one.tools, now: true });
    expect(await schemas()).toEqual([]);
    expect(await status(one.move, one.tools)).toMatchObject({ old_tables: 'gone', blocks: [], next: null });
    expect(await one.move.state.read()).toMatchObject({ phase: 'completed', writes: 'target', readPercent: 100 });
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { switchReads } from '../src/core/switch/switch-reads.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase();
});
afterAll(() => one?.drop());
beforeEach(async () => {
  await one.move.state.change({ phase: 'in_step', readPercent: 0, shadowPercent: 0, verifiedAt: new Date() });
});

const HOUR_MS = 3600 * 1000;

describe('switch-reads', () => {
  it('raises the share, and waits for those that take part', async () => {
    const standIn = one.standIn('a');
    await waitFor('it to take part', async () => {
      return (await one.target.query('SELECT FROM decomposition.instances')).rowCount === 1;
    });
    const report = await switchReads(one.move, { tools: one.tools, percent: 10, shadowPercent: 5 });
    expect(report).toMatchObject({
      did: 'changed',
      before: 0,
      percent: 10,
      shadow_percent: 5,
      participants: 1,
      late: [],
    });
    expect(report.gates.every(({ ok }) => ok)).toBe(true);
    expect(await one.move.state.read()).toMatchObject({ readPercent: 10, shadowPercent: 5 });
    expect(await switchReads(one.move, { tools: one.tools, percent: 10 })).toMatchObject({ did: 'nothing' });
    await standIn.close();
  });

  it('names all gates that do not hold in one refusal', async () => {
    await one.move.state.change({ verifiedAt: new Date(Date.now() - 2 * HOUR_MS) });
    await one.streams.hold('source');
    await one.source.query(`UPDATE item SET amount = amount WHERE id = 1;
      UPDATE decomposition.test_changes SET at = now() - interval '5 seconds'`);
    await one.target.query(
      `INSERT INTO decomposition.instances (instance, service, epoch, seen_at) VALUES ('deaf', 'thing', 0, now() + interval '1 hour')`,
    );
    const tools = { ...one.tools, driftOf: async () => ['item has a column more on the source'] };
    const refused = await switchReads(one.move, { tools, percent: 50 }).catch((error: unknown) => error);
    one.streams.release();
    await one.target.query('DELETE FROM decomposition.instances');
    await one.streams.open(one.move, 'source').catchUp(20_000, one.move.signal);
    expect(refused).toMatchObject({ code: 'refused' });
    const { message, next } = refused as { message: string; next: string };
    expect(message).toMatch(
      /verified .*; lag \(\d+\.\d s behind, .*; schema \(item has a column more .*; participants \(deaf does not act/,
    );
    expect(next).toContain('Run `verify`');
    expect(await one.move.state.read()).toMatchObject({ readPercent: 0 });
  });

  it('lowers it without any gate', async () => {
    await switchReads(one.move, { tools: one.tools, percent: 100 });
    await one.move.state.change({ verifiedAt: null });
    expect(await switchReads(one.move, { tools: one.tools, percent: 50 })).toMatchObject({
      did: 'changed',
      before: 100,
    });
    await expect(switchReads(one.move, { tools: one.tools, percent: 51 })).rejects.toMatchObject({ code: 'refused' });
    expect(await switchReads(one.move, { tools: one.tools, percent: 0 })).toMatchObject({ percent: 0 });
  });

  it('changes nothing in a dry run', async () => {
    await one.move.state.change({ verifiedAt: null });
    const { epoch } = await one.move.state.read();
    const report = await switchReads(one.move, { tools: one.tools, percent: 100, dryRun: true });
    expect(report.gates.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['verified']);
    expect(await one.move.state.read()).toMatchObject({ readPercent: 0, epoch });
  });

  it.each([-1, 101, 0.5, NaN])('refuses %d percent', async (percent) => {
    await expect(switchReads(one.move, { tools: one.tools, percent })).rejects.toMatchObject({ code: 'refused' });
  });

  it.each(['created', 'copying'] as const)('is refused in phase %s', async (phase) => {
    await one.move.state.change({ phase });
    await expect(switchReads(one.move, { tools: one.tools, percent: 10 })).rejects.toMatchObject({
      code: 'refused',
      next: expect.stringContaining('copy'),
    });
  });
});

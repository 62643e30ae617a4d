import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MovingService, waitFor } from '#testing';
import { lobby } from '../src/app.module.js';
import { Harness } from './harness.js';

describe('the lobby while it moves to a database of its own', () => {
  let moving: MovingService;
  let harness: Harness | undefined;

  beforeEach(async () => {
    moving = await MovingService.make({ name: 'lobby', definition: lobby, tables: ['history'] });
  });

  afterEach(async () => {
    await harness?.close();
    harness = undefined;
    await moving.drop();
  });

  const start = (environment: Record<string, string> = {}): Promise<Harness> =>
    Harness.start({ ...moving.environment, ...environment }, moving.source);
  /** What users said, as one side has it. */
  const said = async (side: 'source' | 'target'): Promise<string[]> => {
    const rows = await moving[side].query<{ content: string }>("SELECT content FROM history WHERE role = 'user'");
    return rows.map(({ content }) => content).sort();
  };
  const move = async (): Promise<Record<string, unknown>> =>
    ((await harness!.get('nobody', '/health')).body as { move: Record<string, unknown> }).move;
  const say = async (text: string): Promise<number> =>
    (await harness!.post('Scout', '/v1/chat/completions', { messages: [{ role: 'user', content: text }] })).status;

  it('fails no request, and keeps every message, there and back again', async () => {
    harness = await start();
    const texts: string[] = [];
    const statuses = new Map<string, number>();
    const stop = new AbortController();
    const count = (what: string, status: number): void => {
      statuses.set(`${what} ${status}`, (statuses.get(`${what} ${status}`) ?? 0) + 1);
    };
    const talk = async (who: number): Promise<void> => {
      for (let i = 0; !stop.signal.aborted; i++) {
        texts.push(`${who}-${i}`);
        count('say', await say(`${who}-${i}`));
      }
    };
    const listen = async (): Promise<void> => {
      while (!stop.signal.aborted) count('history', (await harness!.get('Librarian', '/v1/history')).status);
    };
    const load = [talk(1), talk(2), talk(3), listen()];
    const goOn = async (): Promise<void> => {
      const before = texts.length;
      await waitFor('more to be said', () => texts.length > before + 10, 20_000);
    };
    try {
      await goOn();
      await moving.tool.flip('target');
      await goOn();
      expect(await move()).toMatchObject({ phase: 'switched', writes: 'target', writing_side: 'target' });
      await moving.tool.flip('source');
      await goOn();
    } finally {
      stop.abort();
      await Promise.allSettled(load);
    }
    await Promise.all(load);
    expect([...statuses.keys()].sort()).toEqual(['history 200', 'say 200']);
    await waitFor('what is still being written', async () => (await said('source')).length === texts.length);
    expect(await said('source')).toEqual(texts.sort());

    const rows = await waitFor('the report', async () => {
      const { rows } = await rowsOfInstances();
      return (rows[0]?.stats.requests ?? 0) > 30 && rows;
    });
    expect(rows).toHaveLength(1);
    expect(rows[0]!.stats).toMatchObject({ errors: 0, fenced: 0, pool: { size: 10 } });
  });

  const rowsOfInstances = async () => ({
    rows: await moving.target.query<{ stats: { requests: number } }>('SELECT stats FROM decomposition.instances'),
  });

  it("reads an agent's history where that agent wrote last, and otherwise from its share", async () => {
    harness = await start();
    await moving.state.change({ readPercent: 100 });
    await waitFor('the lobby to know', async () => (await move()).read_percent === 100);
    const metrics = async () => (await harness!.get('nobody', '/metrics')).text;
    const reads = async (side: string) =>
      Number(new RegExp(`^gravitas_split_reads_total\\{side="${side}"\\} (\\d+)$`, 'm').exec(await metrics())![1]);
    // The target has nothing: here no stream brings it over. That an agent wrote is remembered for five seconds.
    let times = 0;
    const kept = await waitFor('an own read in time', async () => {
      expect(await say('mine')).toBe(200);
      times++;
      return (await harness!.history('Scout')).count;
    });
    expect(kept).toBe(2 * times);
    expect(await reads('source')).toBeGreaterThan(0);
    // While the state of the move cannot be read, all goes to the source.
    await waitFor("a read of the target's share", async () => {
      const before = await reads('target');
      expect((await harness!.history('Librarian')).count).toBe(0);
      return (await reads('target')) === before + 1;
    });
    expect(await metrics()).toMatch(/^gravitas_split_read_percent 100$/m);
  });

  it('starts after the switch where its messages are, and leaves the list of instances when it ends', async () => {
    await moving.tool.flip('target');
    harness = await start();
    await waitFor('the lobby to know', async () => (await move()).writing_side === 'target');
    expect(await say('late')).toBe(200);
    expect(await said('target')).toEqual(['late']);
    expect(await said('source')).toEqual([]);
    await waitFor('its report', async () => (await rowsOfInstances()).rows.length === 1);
    await harness.service.stop();
    await waitFor('it to be off the list', async () => (await rowsOfInstances()).rows.length === 0);
  });

  it('answers, and is healthy, when the target was never made', async () => {
    harness = await start({ LOBBY_SPLIT_DATABASE_URL: 'postgres://nobody:nothing@127.0.0.1:1/nowhere' });
    expect(await say('anyway')).toBe(200);
    await waitFor('it to be healthy', async () => (await harness!.get('nobody', '/health')).status === 200);
    const { problem, ...rest } = await move();
    expect(rest).toMatchObject({ phase: null, writing_side: 'source' });
    expect(problem).toContain('cannot be read');
  });
});

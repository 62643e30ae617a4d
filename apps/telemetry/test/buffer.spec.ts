import { afterEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { waitFor } from '#testing';
import { Harness } from './harness.js';

describe('the event buffer', () => {
  let harness: Harness;
  afterEach(() => harness.close());

  const log = () => harness.post('router', '/v1/telemetry/log', { event_type: 'x' });
  const stored = () => harness.service.database.query('SELECT id FROM system_telemetry');
  const metric = async (name: string) => {
    const { text } = await request(harness.service.url).get('/metrics');
    return Number(new RegExp(`^gravitas_telemetry_${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };

  it('keeps what it accepted while the database is away, refuses when full, and writes when it is back', async () => {
    harness = await Harness.start({ TELEMETRY_BUFFER_SIZE: '3', TELEMETRY_FLUSH_INTERVAL_MS: '10' });
    await harness.breakDatabase();
    for (let i = 0; i < 3; i++) expect((await log()).status).toBe(200);
    const refused = await log();
    expect([refused.status, refused.body]).toMatchObject([503, { code: 'telemetry_overloaded' }]);
    expect(refused.headers['retry-after']).toBe('1');
    expect([await metric('buffer_size'), await metric('buffer_capacity')]).toEqual([3, 3]);

    await harness.mendDatabase();
    await waitFor('the events to be written', async () => (await stored()).length === 3, 20_000);
    await waitFor('the buffer to be empty', async () => (await metric('buffer_size')) === 0);
    expect([await metric('events_written_total'), await metric('events_lost_total')]).toEqual([3, 0]);
    expect((await log()).status).toBe(200);
  });

  it('says 503 to usage and batches while the database is away, and keeps nothing of them', async () => {
    harness = await Harness.start();
    await harness.breakDatabase();
    const body = { ghost_id: 'Scout', model: 'echo', tokens_in: 1, tokens_out: 1 };
    const one = await harness.post('router', '/v1/usage', body);
    const many = await harness.post('router', '/v1/telemetry/batch', { events: [{ event_type: 'x' }] });
    for (const { status, body: problem } of [one, many])
      expect([status, problem]).toMatchObject([
        503,
        { code: 'telemetry_unavailable', detail: 'Nothing was stored; send it again' },
      ]);
    await harness.mendDatabase();
    expect(await stored()).toEqual([]);
  });

  it('writes what waits before it stops, and a new start finds it', async () => {
    harness = await Harness.start({ TELEMETRY_FLUSH_INTERVAL_MS: '60000', SHUTDOWN_TIMEOUT_MS: '200000' });
    for (let i = 0; i < 5; i++) await log();
    expect(await stored()).toHaveLength(0);
    await harness.service.stop();
    expect(await stored()).toHaveLength(5);

    const again = await Harness.start({}, harness.service.database);
    expect((await again.get('router', '/v1/telemetry/events')).body).toMatchObject({ count: 5 });
    await again.close();
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type TelemetryEvents, type TelemetryStats } from '#contracts';
import { agentToken, waitFor } from '#testing';
import { Harness } from './harness.js';

describe('events', () => {
  let harness: Harness;
  beforeAll(async () => {
    // What a read finds is there because the read had it written.
    harness = await Harness.start({ TELEMETRY_FLUSH_INTERVAL_MS: '60000' });
  });
  afterAll(() => harness.close());
  beforeEach(() => harness.service.database.query('TRUNCATE system_telemetry, usage_stats'));

  const eventsOf = async (caller: 'Scout' | 'Supervisor' | 'router', query = '') =>
    (await harness.get(caller, `/v1/telemetry/events${query}`)).body as TelemetryEvents;

  describe('POST /v1/telemetry/log', () => {
    it('stamps an event with id, time, tenant and ghost, and lets its writer read it at once', async () => {
      const before = Date.now();
      const answer = await harness.post('Scout', '/v1/telemetry/log', {
        event_type: 'efficiency',
        component: 'planner',
        value: 0.75,
        status: 'ok',
        metadata: { tokens: 12, note: 'naïve 🦊' },
        ghost_id: 'Librarian',
      });
      expect([answer.status, answer.body]).toEqual([200, { success: true, message: 'event efficiency accepted' }]);

      const { events, count } = await waitFor('the event', async () => {
        const page = await eventsOf('Scout');
        return page.count > 0 && page;
      });
      expect(count).toBe(1);
      expect(events[0]).toEqual({
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/) as unknown,
        timestamp: expect.stringMatching(/Z$/) as unknown,
        event_type: 'efficiency',
        component: 'planner',
        value: 0.75,
        status: 'ok',
        metadata: { tokens: 12, note: 'naïve 🦊' },
        ghost_id: 'Scout',
      });
      expect(Math.abs(Date.parse(events[0]!.timestamp) - before)).toBeLessThan(60_000);
      const [row] = await harness.service.database.query('SELECT tenant_id, ghost_id FROM system_telemetry');
      expect(row).toEqual({ tenant_id: 'default', ghost_id: 'Scout' });
    });

    it.each([
      ['no event_type', {}, 'event_type'],
      ['a value that is no number', { event_type: 'x', value: 'high' }, 'value'],
      ['a value out of range', { event_type: 'x', value: 1e300 }, 'value'],
      ['metadata that is no object', { event_type: 'x', metadata: [1] }, 'metadata'],
      ['text that cannot be stored', { event_type: 'x', metadata: { a: '\0' } }, 'metadata'],
    ])('refuses %s, naming the field', async (_name, body, field) => {
      const answer = await harness.post('Scout', '/v1/telemetry/log', body);
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({ code: 'invalid_request', param: field });
    });

    it('wants a token', async () => {
      const answer = await harness.post('nobody', '/v1/telemetry/log', { event_type: 'x' });
      expect([answer.status, answer.body]).toMatchObject([401, { detail: 'Missing Authorization header' }]);
    });
  });

  describe('GET /v1/telemetry/events', () => {
    beforeEach(async () => {
      const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
      await harness.post('router', '/v1/telemetry/batch', {
        events: [
          { event_type: 'model_call', component: 'router', value: 120, ghost_id: 'Scout', timestamp: hoursAgo(1) },
          { event_type: 'model_call', component: 'router', value: 80, ghost_id: 'Librarian', timestamp: hoursAgo(2) },
          { event_type: 'efficiency', component: 'planner', timestamp: hoursAgo(30) },
          { event_type: 'efficiency', component: 'planner', ghost_id: 'Scout', tenant_id: 'other' },
        ],
      });
    });
    const values = ({ events }: TelemetryEvents) => events.map((event) => event.value);

    it('gives a service everything, newest first', async () => {
      expect(values(await eventsOf('router', '?hours=48'))).toEqual([null, 120, 80, null]);
    });

    it('looks back a day unless told otherwise', async () => {
      expect(values(await eventsOf('router'))).toEqual([null, 120, 80]);
      expect(values(await eventsOf('router', '?hours=1.5'))).toEqual([null, 120]);
    });

    it('filters by component, event_type and limit', async () => {
      expect(values(await eventsOf('router', '?component=router'))).toEqual([120, 80]);
      expect(values(await eventsOf('router', '?event_type=efficiency&hours=48'))).toEqual([null, null]);
      expect(values(await eventsOf('router', '?component=router&limit=1'))).toEqual([120]);
    });

    it('shows an agent what is its own, in its tenant', async () => {
      expect(values(await eventsOf('Scout'))).toEqual([120]);
    });

    it('shows an agent that may read telemetry/events the whole of its tenant', async () => {
      expect(values(await eventsOf('Supervisor', '?hours=48'))).toEqual([120, 80, null]);
      expect(harness.gatekeeper.validations.at(-1)).toMatchObject({ action: 'read', resource: 'telemetry/events' });
    });

    it.each(['limit=0', 'limit=1001', 'limit=x', 'hours=0', 'hours=8761', 'component='])(
      'refuses %s',
      async (query) => {
        const answer = await harness.get('Scout', `/v1/telemetry/events?${query}`);
        expect([answer.status, answer.body]).toMatchObject([400, { param: query.split('=')[0] }]);
      },
    );

    it('says 503, not that there is nothing, while the gatekeeper is away', async () => {
      harness.gatekeeper.fail(500);
      const answer = await harness.get('Scout', '/v1/telemetry/events');
      harness.gatekeeper.fail();
      expect([answer.status, answer.body]).toMatchObject([503, { code: 'gatekeeper_unavailable' }]);
    });
  });

  describe('GET /v1/telemetry/stats', () => {
    it('sums up values, and tokens wherever metadata has them as numbers', async () => {
      await harness.post('router', '/v1/telemetry/batch', {
        events: [
          { event_type: 'efficiency', component: 'planner', value: 0.5, metadata: { tokens: 10, total_tokens: 99 } },
          { event_type: 'efficiency', component: 'planner', value: 1, metadata: { total_tokens: 20, tokens: 'many' } },
          { event_type: 'note', component: 'planner', metadata: { tokens_in: 3, tokens_out: 4 } },
          { event_type: 'note', component: 'planner', metadata: { tokens: null, tokens_in: -5, tokens_out: '7' } },
          { event_type: 'note', component: 'other', value: 7, metadata: { tokens: 1e300 } },
        ],
      });
      expect((await harness.get('router', '/v1/telemetry/stats?component=planner&hours=2')).body).toEqual({
        component: 'planner',
        measurement_count: 2,
        avg_efficiency_score: 0.75,
        best_efficiency: 1,
        worst_efficiency: 0.5,
        total_tokens: 37,
        time_window_hours: 2,
      });
      expect((await harness.get('Supervisor', '/v1/telemetry/stats')).body).toMatchObject({
        component: null,
        measurement_count: 3,
        best_efficiency: 7,
        time_window_hours: 24,
      });
    });

    it('has null for averages, not zero, where nothing was measured', async () => {
      expect((await harness.get('Scout', '/v1/telemetry/stats')).body).toMatchObject({
        measurement_count: 0,
        avg_efficiency_score: null,
        best_efficiency: null,
        worst_efficiency: null,
        total_tokens: 0,
      });
    });

    it('survives the largest values that it takes', async () => {
      for (const value of [1e100, -1e100, 1e100])
        await harness.post('Scout', '/v1/telemetry/log', { event_type: 'x', value });
      const answer = await waitFor('the three', async () => {
        const stats = await harness.get('Scout', '/v1/telemetry/stats');
        return (stats.status !== 200 || (stats.body as TelemetryStats).measurement_count === 3) && stats;
      });
      expect([answer.status, answer.body]).toMatchObject([200, { best_efficiency: 1e100, worst_efficiency: -1e100 }]);
    });
  });

  it("does not take a token of another tenant's agent for this one's", async () => {
    await harness.post('Scout', '/v1/telemetry/log', { event_type: 'secret' });
    const token = await agentToken('Scout', { tenant: 'other' });
    const answer = await fetch(`${harness.service.url}/v1/telemetry/events`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await answer.json()).toEqual({ events: [], count: 0 });
  });
});

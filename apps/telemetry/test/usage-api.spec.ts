import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type UsageRecord, type UsageSummary } from '#contracts';
import { type Caller } from '#testing';
import { Harness } from './harness.js';

const usage = (own: Partial<UsageRecord> = {}): UsageRecord => ({
  id: randomUUID(),
  timestamp: new Date().toISOString(),
  ghost_id: 'Scout',
  model: 'echo',
  provider: 'builtin',
  tier: 'L1',
  tokens_in: 10,
  tokens_out: 20,
  cost_usd: 0.1,
  latency_ms: 100,
  outcome: 'succeeded',
  ...own,
});

describe('usage', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.close());
  beforeEach(() => harness.service.database.query('TRUNCATE system_telemetry, usage_stats'));

  const stored = () => harness.service.database.query('SELECT * FROM usage_stats ORDER BY id');
  const summary = async (caller: Caller, query = '') =>
    (await harness.get(caller, `/v1/usage/summary${query}`)).body as UsageSummary;

  describe('POST /v1/usage', () => {
    it('stores one with what a person has to say, and stamps the rest', async () => {
      const body = { ghost_id: 'Scout', model: 'echo', tokens_in: 3, tokens_out: 4 };
      const answer = await harness.post('Supervisor', '/v1/usage', body);
      expect([answer.status, answer.body]).toMatchObject([200, { success: true }]);
      expect(await stored()).toMatchObject([
        {
          tenant_id: 'default',
          tokens_in: '3',
          tokens_out: '4',
          cost_usd: '0.0000000000',
          provider: 'unknown',
          outcome: 'succeeded',
        },
      ]);
    });

    it('stores a record once, however often it comes', async () => {
      const record = usage({ cost_usd: 0.0000000123, session_id: 's-1' });
      await harness.post('router', '/v1/usage', record);
      const again = await harness.post('router', '/v1/usage', { ...record, cost_usd: 99 });
      expect([again.status, again.body]).toEqual([
        200,
        { success: true, message: `usage ${record.id} was stored before` },
      ]);
      expect(await stored()).toMatchObject([{ id: record.id, cost_usd: '0.0000000123', session_id: 's-1' }]);
    });

    it('is refused to an agent without the right, and stores nothing', async () => {
      const answer = await harness.post('Scout', '/v1/usage', usage());
      expect([answer.status, answer.body]).toMatchObject([403, { code: 'policy_denied', ghost_id: 'Scout' }]);
      expect(harness.gatekeeper.validations.at(-1)).toMatchObject({ action: 'write', resource: 'telemetry/usage' });
      expect(await stored()).toEqual([]);
    });

    it("books an agent's report on the agent's own tenant", async () => {
      await harness.post('Supervisor', '/v1/usage', usage({ tenant_id: 'other' }));
      expect(await stored()).toMatchObject([{ tenant_id: 'default' }]);
    });

    it.each([
      ['no ghost_id', { model: 'm', tokens_in: 1, tokens_out: 1 }, 'ghost_id'],
      ['negative tokens', usage({ tokens_in: -1 }), 'tokens_in'],
      ['half a token', usage({ tokens_out: 0.5 }), 'tokens_out'],
      ['a cost beyond reason', usage({ cost_usd: 1e12 }), 'cost_usd'],
      ['an id that is none', usage({ id: '7' }), 'id'],
    ])('refuses %s, naming the field', async (_name, body, field) => {
      const answer = await harness.post('router', '/v1/usage', body);
      expect([answer.status, answer.body]).toMatchObject([400, { param: field }]);
    });

    it('refuses a time that the database cannot hold', async () => {
      const answer = await harness.post('router', '/v1/usage', usage({ timestamp: '0000-01-01T00:00:00Z' }));
      expect([answer.status, answer.body]).toMatchObject([400, { param: 'timestamp' }]);
    });

    it('wants a token', async () => {
      expect((await harness.post('nobody', '/v1/usage', usage())).status).toBe(401);
    });
  });

  describe('POST /v1/telemetry/batch', () => {
    const events = () => harness.service.database.query('SELECT * FROM system_telemetry ORDER BY timestamp');

    it('stores events and usage, and counts those that were there', async () => {
      const [one, two] = [usage(), usage({ cost_usd: 0.0000001 })];
      await harness.post('router', '/v1/usage', one);
      const answer = await harness.post('router', '/v1/telemetry/batch', {
        events: [{ event_type: 'model_call', value: 12 }, { event_type: 'model_call' }],
        usage: [one, two, two],
      });
      expect([answer.status, answer.body]).toEqual([
        200,
        {
          success: true,
          message: '2 events and 3 usage records stored',
          accepted: { events: 2, usage: 1 },
          duplicates: 2,
        },
      ]);
      expect(await stored()).toHaveLength(2);
      expect(await events()).toMatchObject([{ ghost_id: null, tenant_id: 'default' }, { event_type: 'model_call' }]);
    });

    it('stores nothing of a batch of which one part cannot be stored', async () => {
      await harness.service.database.query(`ALTER TABLE usage_stats ADD CONSTRAINT refused CHECK (model <> 'refused')`);
      const answer = await harness.post('router', '/v1/telemetry/batch', {
        events: [{ event_type: 'model_call' }],
        usage: [usage(), usage({ model: 'refused' })],
      });
      expect([answer.status, answer.body]).toMatchObject([400, { code: 'record_rejected' }]);
      expect([await stored(), await events()]).toEqual([[], []]);
    });

    it("takes an agent's events as its own", async () => {
      const body = { events: [{ event_type: 'step', ghost_id: 'Librarian', timestamp: '2001-01-01T00:00:00Z' }] };
      const answer = await harness.post('Scout', '/v1/telemetry/batch', body);
      expect(answer.body).toMatchObject({ accepted: { events: 1, usage: 0 } });
      const [event] = await events();
      expect(event).toMatchObject({ ghost_id: 'Scout', tenant_id: 'default' });
      expect(Date.now() - (event as { timestamp: Date }).timestamp.getTime()).toBeLessThan(60_000);
    });

    it("refuses an agent's usage without the right to report it, events included", async () => {
      const body = { events: [{ event_type: 'step' }], usage: [usage()] };
      expect((await harness.post('Scout', '/v1/telemetry/batch', body)).status).toBe(403);
      expect([await stored(), await events()]).toEqual([[], []]);
      expect((await harness.post('Supervisor', '/v1/telemetry/batch', body)).body).toMatchObject({
        accepted: { events: 1, usage: 1 },
      });
    });

    it.each([
      ['nothing', {}],
      ['more than a thousand events', { events: Array.from({ length: 1001 }, () => ({ event_type: 'x' })) }],
      ['an event that is none', { events: [{ event_type: 'x' }, { value: 1 }] }],
    ])('refuses %s', async (_name, body) => {
      expect((await harness.post('router', '/v1/telemetry/batch', body)).status).toBe(400);
      expect(await events()).toEqual([]);
    });

    it('wants a token', async () => {
      expect((await harness.post('nobody', '/v1/telemetry/batch', {})).status).toBe(401);
    });
  });

  describe('GET /v1/usage/summary', () => {
    beforeEach(async () => {
      await harness.post('router', '/v1/telemetry/batch', {
        usage: [
          usage({ timestamp: '2026-03-01T23:59:59.999Z', cost_usd: 0.1, latency_ms: 100 }),
          usage({ timestamp: '2026-03-02T02:00:00+02:00', cost_usd: 0.2, latency_ms: 300 }),
          usage({ timestamp: '2026-03-02T12:00:00Z', ghost_id: 'Librarian', model: 'gemma2:27b', cost_usd: 1 }),
          usage({ timestamp: '2026-03-03T00:00:00Z', ghost_id: 'Scout', tenant_id: 'other', cost_usd: 5 }),
        ],
      });
    });

    it('sums by ghost unless told otherwise, dearest first, with exact cents', async () => {
      expect(await summary('Supervisor')).toEqual({
        group_by: 'ghost',
        from: null,
        to: null,
        groups: [
          { key: 'Librarian', calls: 1, tokens_in: 10, tokens_out: 20, cost_usd: 1, avg_latency_ms: 100 },
          { key: 'Scout', calls: 2, tokens_in: 20, tokens_out: 40, cost_usd: 0.3, avg_latency_ms: 200 },
        ],
        total: { calls: 3, tokens_in: 30, tokens_out: 60, cost_usd: 1.3 },
      });
    });

    it('sums by model', async () => {
      const { groups } = await summary('router', '?group_by=model');
      expect(groups.map(({ key, calls }) => [key, calls])).toEqual([
        ['echo', 3],
        ['gemma2:27b', 1],
      ]);
    });

    it('sums by day in UTC, in order', async () => {
      const { groups } = await summary('router', '?group_by=day');
      expect(groups.map(({ key, calls }) => [key, calls])).toEqual([
        ['2026-03-01', 1],
        ['2026-03-02', 2],
        ['2026-03-03', 1],
      ]);
    });

    it('takes from as inclusive and to as exclusive, dates as midnight in UTC', async () => {
      const { from, to, total } = await summary('router', '?from=2026-03-02&to=2026-03-03T00:00:00Z');
      expect({ from, to, calls: total.calls }).toEqual({
        from: '2026-03-02T00:00:00.000Z',
        to: '2026-03-03T00:00:00.000Z',
        calls: 2,
      });
    });

    it('shows an agent without the right what it spent itself', async () => {
      const { groups, total } = await summary('Scout');
      expect([groups.map(({ key }) => key), total.calls]).toEqual([['Scout'], 2]);
    });

    it('has zeros where nothing was spent', async () => {
      expect(await summary('router', '?from=2030-01-01')).toMatchObject({
        groups: [],
        total: { calls: 0, tokens_in: 0, tokens_out: 0, cost_usd: 0 },
      });
    });

    it.each(['group_by=week', 'from=yesterday', 'from=2026-03-02&to=2026-03-02'])('refuses %s', async (query) => {
      const answer = await harness.get('Supervisor', `/v1/usage/summary?${query}`);
      expect([answer.status, answer.body]).toMatchObject([400, { param: query.split('=')[0] }]);
    });

    it('wants a token', async () => {
      expect((await harness.get('nobody', '/v1/usage/summary')).status).toBe(401);
    });
  });
});

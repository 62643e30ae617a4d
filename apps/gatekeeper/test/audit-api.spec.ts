import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { auditPage, type AuditEvent } from '#contracts';
import { agentToken, serviceToken, startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';
import { MonthKeeper } from '../src/audit/month-keeper.js';
import { monthName, monthOf } from '../src/audit/month.js';

const event = (overrides: Partial<AuditEvent> = {}): AuditEvent => ({
  id: randomUUID(),
  timestamp: new Date().toISOString(),
  service: 'router',
  tenant_id: 'default',
  ghost_id: 'Scout',
  shell_id: 'echo',
  action: 'inference',
  resource: 'shells/l1/echo',
  result: 'SUCCEEDED',
  reason: 'the model answered',
  request_id: 'r',
  session_id: 's',
  entities: [{ kind: 'session', id: 's' }],
  metadata: { tokens_in: 3 },
  producer: null,
  sequence: null,
  ...overrides,
});

/** In the month before this one, which the trail has. */
const lastMonth = (rest: string): string => `${monthName(monthOf(new Date(), -1))}-${rest}`;

describe('the audit API', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
  });
  afterAll(() => service.close());

  const ingest = async (events: unknown) =>
    request(service.url)
      .post('/v1/audit/events')
      .set('authorization', `Bearer ${await serviceToken('router', 'gatekeeper')}`)
      .send({ events });
  const search = async (query: Record<string, string | number>, token?: string) =>
    request(service.url)
      .get('/v1/audit/events')
      .query(query)
      .set('authorization', `Bearer ${token ?? (await agentToken('Supervisor'))}`);

  it('takes events once, however often they are sent', async () => {
    const events = [event(), event()];
    expect((await ingest(events)).body).toEqual({ accepted: 2, duplicates: 0 });
    expect((await ingest([...events, event()])).body).toEqual({ accepted: 1, duplicates: 2 });
    const stored = await service.database.query('SELECT id FROM audit_log WHERE id = ANY($1)', [
      events.map(({ id }) => id),
    ]);
    expect(stored).toHaveLength(2);
  });

  it('gives an event back as it was sent', async () => {
    const sent = event({
      timestamp: lastMonth('20T10:00:00.123456Z'),
      metadata: { deep: { list: [1, 'ü', null] } },
      producer: randomUUID(),
      sequence: Number.MAX_SAFE_INTEGER,
    });
    await ingest([sent]);
    const answer = await request(service.url)
      .get(`/v1/audit/events/${sent.id}`)
      .set('authorization', `Bearer ${await agentToken('Supervisor')}`);
    expect(answer.body).toEqual(sent);
  });

  it('takes 2000 events in one body', async () => {
    const events = Array.from({ length: 2000 }, () => event({ ghost_id: 'Bulk' }));
    expect((await ingest(events)).body).toEqual({ accepted: 2000, duplicates: 0 });
  });

  it('takes an event of a month that the trail does not have into quarantine, and what came with it into the trail', async () => {
    const [other, stray] = [event(), event({ timestamp: '1999-12-31T23:59:59Z' })];
    expect((await ingest([other, stray])).body).toEqual({ accepted: 2, duplicates: 0 });
    expect((await ingest([stray])).body).toEqual({ accepted: 0, duplicates: 1 });
    expect(await service.database.query('SELECT 1 FROM audit_log WHERE id = $1', [other.id])).toHaveLength(1);
    const stats = await request(service.url)
      .get('/v1/audit/stats')
      .set('authorization', `Bearer ${await agentToken('Supervisor')}`);
    expect(stats.body).toMatchObject({ quarantined: 1 });
    const metrics = await request(service.url).get('/metrics');
    expect(metrics.text).toMatch(/^gravitas_audit_quarantined_total 1$/m);
    await service.app.get(MonthKeeper).run();
    const health = await waitFor('health', async () => {
      const answer = await request(service.url).get('/health');
      return answer.status === 200 && answer;
    });
    expect(health.body).toMatchObject({
      status: 'healthy',
      audit_months: { partitions: 5, months_ahead: 3, quarantined: 1 },
    });
  });

  it.each([
    ['an unknown result', [event({ result: 'MAYBE' as never })], 'events.0.result'],
    ['no events', [], 'events'],
    ['too many events', Array.from({ length: 5001 }, () => ({})), 'events'],
  ])('refuses %s with 400, naming the field', async (_name, events, field) => {
    const answer = await ingest(events);
    expect(answer.body).toMatchObject({ status: 400 });
    expect((answer.body as { detail: string }).detail).toContain(field);
  });

  it('takes events from services only', async () => {
    const agent = await request(service.url)
      .post('/v1/audit/events')
      .set('authorization', `Bearer ${await agentToken('Supervisor')}`)
      .send({ events: [event()] });
    expect(agent.body).toMatchObject({ status: 403, code: 'service_token_required' });
    const elsewhere = await request(service.url)
      .post('/v1/audit/events')
      .set('authorization', `Bearer ${await serviceToken('router', 'guardian')}`)
      .send({ events: [event()] });
    expect(elsewhere.status).toBe(401);
  });

  it('pages through the trail newest first, without gap or repetition while events arrive', async () => {
    const at = (second: number) => lastMonth(`01T00:00:0${second}.000Z`);
    // Several events share each time, so that the order must rest on the id as well.
    await ingest(Array.from({ length: 25 }, (_, i) => event({ ghost_id: 'Pager', timestamp: at(Math.floor(i / 4)) })));
    const seen: AuditEvent[] = [];
    let cursor: string | null = null;
    do {
      const answer = await search({ ghost_id: 'Pager', limit: 4, ...(cursor !== null && { cursor }) });
      const page = auditPage.parse(answer.body);
      seen.push(...page.events);
      cursor = page.next_cursor;
      await ingest([event({ ghost_id: 'Pager' })]);
    } while (cursor !== null);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(25);
    const order = seen.map(({ timestamp, id }) => `${timestamp} ${id}`);
    expect(order).toEqual([...order].sort().reverse());
  });

  it('combines its filters', async () => {
    const wanted = event({
      ghost_id: 'Filter',
      action: 'x',
      resource: 'r/1',
      entities: [{ kind: 'user', id: 'a:b' }],
      timestamp: lastMonth('02T12:00:00Z'),
    });
    const near: Partial<AuditEvent>[] = [
      { ghost_id: 'Other' },
      { action: 'y' },
      { resource: 'r/2' },
      { result: 'FAILED' },
      { service: 'lobby' },
      { entities: [{ kind: 'user', id: 'c' }] },
      { timestamp: lastMonth('02T11:59:59Z') },
      { timestamp: lastMonth('02T12:00:01Z') },
    ];
    await ingest([wanted, ...near.map((difference) => event({ ...wanted, id: randomUUID(), ...difference }))]);
    const answer = await search({
      ghost_id: 'Filter',
      action: 'x',
      resource: 'r/1',
      result: 'SUCCEEDED',
      service: 'router',
      entity: 'user:a:b',
      from: lastMonth('02T12:00:00Z'),
      to: lastMonth('02T12:00:01Z'),
    });
    expect(auditPage.parse(answer.body).events.map(({ id }) => id)).toEqual([wanted.id]);
  });

  it.each([
    [{ limit: 1001 }, 'limit'],
    [{ result: 'MAYBE' }, 'result'],
    [{ entity: 'user' }, 'entity'],
    [{ entity: 'user:\0' }, 'entity'],
    [{ resource: 'a\0' }, 'resource'],
    [{ from: 'yesterday' }, 'from'],
    [{ cursor: 'AAAA' }, 'cursor'],
  ])('refuses the query %j with 400, naming the field', async (query, field) => {
    const answer = await search(query);
    expect(answer.status).toBe(400);
    expect((answer.body as { detail: string }).detail).toContain(`${field}:`);
  });

  it('shows an agent the events of its own tenant only', async () => {
    const foreign = event({ tenant_id: 'acme', ghost_id: 'Tenant' });
    await ingest([foreign, event({ ghost_id: 'Tenant' })]);
    const own = auditPage.parse((await search({ ghost_id: 'Tenant' })).body);
    expect(own.events.map(({ tenant_id }) => tenant_id)).toEqual(['default']);
    const acme = await agentToken('Supervisor', { tenant: 'acme' });
    expect(auditPage.parse((await search({ ghost_id: 'Tenant' }, acme)).body).events.map(({ id }) => id)).toEqual([
      foreign.id,
    ]);
    const get = await request(service.url)
      .get(`/v1/audit/events/${foreign.id}`)
      .set('authorization', `Bearer ${await agentToken('Supervisor')}`);
    expect(get.body).toMatchObject({ status: 404, code: 'event_not_found' });
  });

  it('wants the right to read audit/events, and records who lacks it', async () => {
    const answer = await search({}, await agentToken('Scout'));
    expect(answer.body).toMatchObject({ status: 403, ghost_id: 'Scout' });
    const denials = await waitFor('the denial', async () => {
      const since = Date.now();
      const found = await search({ ghost_id: 'Scout', resource: 'audit/events', result: 'DENIED' });
      const { events } = auditPage.parse(found.body);
      // A search waits a second for what is on its way into the trail.
      if (events.length === 0) expect(Date.now() - since).toBeGreaterThan(900);
      return events.length > 0 && events;
    });
    expect(denials).toHaveLength(1);
  });

  it('publishes numbers that add up', async () => {
    const answer = await request(service.url)
      .get('/v1/audit/stats')
      .set('authorization', `Bearer ${await agentToken('Supervisor')}`);
    const stats = answer.body as Record<string, number>;
    expect(stats.accepted).toBeGreaterThan(0);
    expect(stats.accepted).toBe(stats.persisted! + stats.queued! + stats.spooled! + stats.dead_lettered!);
    expect(stats.dropped).toBe(0);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { PostgresSink } from '#audit';
import { AUDIT_RESULTS, type AuditEvent, type AuditFilters } from '#contracts';
import { createPool } from '#database';
import { startService, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';
import { AuditSearch } from '../src/audit/audit-search.js';
import { eventsStatement } from '../src/audit/audit-statement.js';
import { AuditTimelines } from '../src/audit/audit-timeline.js';
import { MonthMaintenance } from '../src/audit/month-maintenance.js';
import { monthOf } from '../src/audit/month.js';
import { enterTenant } from '../src/audit/trail-reader.js';
import { event } from './support/events.js';

const EVENTS = 6000;
const MONTHS = 5;
const LONG = `${'x'.repeat(900)}ä`;

/** A small generator with a seed (Park and Miller), so that a failure can be run again. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Loops'?: number;
  Plans?: Plan[];
}
const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

describe('searching the trail', () => {
  let service: TestService;
  let sink: PostgresSink;
  let search: AuditSearch;
  let reader: pg.Client;
  const events: AuditEvent[] = [];
  const start = monthOf(new Date(), 1 - MONTHS).getTime();
  const span = monthOf(new Date(), 1).getTime() - start;

  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper, { environment: { GATEKEEPER_AUDIT_MONTHS_BACK: '4' } });
    sink = new PostgresSink(createPool(service.database.runtimeUrl, 'search-spec', 1, () => undefined));
    search = service.app.get(AuditSearch);
    reader = new pg.Client({ connectionString: service.database.readerUrl!, connectionTimeoutMillis: 20_000 });
    await reader.connect();
    const below = dice(7);
    const of = <T>(values: readonly T[]): T => values[below(values.length)]!;
    for (let i = 0; i < EVENTS; i++)
      events.push(
        event({
          tenant_id: of(['acme', 'acme', 'globex']),
          // Some share a moment.
          timestamp: new Date(start + Math.floor((below(EVENTS * 4) / (EVENTS * 4)) * span)).toISOString(),
          ghost_id: of([null, 'user:1', 'ghost-1', 'ghost-2', 'ghost-3']),
          shell_id: of([null, 'echo', 'qwen3:8b']),
          session_id: of([null, `session-${below(300)}`, 'user:2']),
          request_id: of([null, `request-${below(3000)}`]),
          service: of(['router', 'lobby', 'guardian']),
          action: of(['execute', 'read', 'write', `rare-${below(50)}`]),
          resource: of([`shells/${below(20)}`, 'user:3', LONG, `order-${below(1000)}`]),
          result: of(AUDIT_RESULTS),
          reason: of(['may execute', 'no rule matches', 'Größe zählt', `word${below(100)}`]),
          entities: of([[], [{ kind: 'user', id: `${below(5)}` }], [{ kind: 'order', id: `${below(500)}` }]]),
          metadata: of([{}, { note: `token${below(100)}`, deep: { list: ['execute', below(50)] } }]),
        }),
      );
    for (let at = 0; at < EVENTS; at += 2000) await sink.write(events.slice(at, at + 2000));
    await service.database.query('ANALYZE audit_log');
    await service.database.query('ANALYZE event_entities');
  }, 60_000);
  afterAll(async () => {
    await sink.close();
    await reader.end();
    await service.close();
  });

  const newestFirst = (a: AuditEvent, b: AuditEvent): number =>
    a.timestamp === b.timestamp ? (a.id < b.id ? 1 : -1) : a.timestamp < b.timestamp ? 1 : -1;
  const isAbout = ({ entities, ghost_id, session_id, shell_id, resource }: AuditEvent, entity: string): boolean =>
    entities.some(({ kind, id }) => `${kind}:${id}` === entity) ||
    [ghost_id, session_id, resource].includes(entity) ||
    [`ghost:${ghost_id}`, `session:${session_id}`, `shell:${shell_id}`].includes(entity);
  const hasWord = ({ reason, metadata }: AuditEvent, word: string): boolean =>
    `${reason} ${JSON.stringify(metadata)}`
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)
      .includes(word.toLowerCase());
  const naive = ({ entity, q, from, to, ...equal }: AuditFilters, tenant: string): AuditEvent[] =>
    events
      .filter(
        (each) =>
          each.tenant_id === tenant &&
          Object.entries(equal).every(([name, value]) => value === undefined || each[name as 'action'] === value) &&
          (entity === undefined || isAbout(each, entity)) &&
          (q === undefined || hasWord(each, q)) &&
          (from === undefined || each.timestamp >= from) &&
          (to === undefined || each.timestamp < to),
      )
      .sort(newestFirst);

  it('finds by any combination of filters what a naive look at every event finds, page by page', async () => {
    const below = dice(20_261_121);
    let found = 0;
    for (let round = 0; round < 300; round++) {
      const sample = events[below(EVENTS)]!;
      const maybe = <T>(value: T | null, odds = 5): T | undefined =>
        value !== null && below(odds) === 0 ? value : undefined;
      const filters: AuditFilters = {
        ghost_id: maybe(sample.ghost_id),
        action: maybe(sample.action),
        resource: maybe(sample.resource),
        result: maybe(sample.result),
        service: maybe(sample.service),
        session_id: maybe(sample.session_id),
        request_id: maybe(sample.request_id),
        shell_id: maybe(sample.shell_id),
        entity: maybe(
          [`ghost:${sample.ghost_id ?? 'x'}`, 'user:1', 'user:2', 'user:3', 'shell:qwen3:8b', 'order:7'][below(6)]!,
        ),
        q: maybe(['execute', 'größe', 'token7', 'word8', 'matches', 'deep', '33'][below(7)]!),
        from: maybe(new Date(start + below(1000) * (span / 1000)).toISOString()),
        to: maybe(new Date(start + below(1000) * (span / 1000)).toISOString()),
      };
      const expected = naive(filters, sample.tenant_id).map(({ id }) => id);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await search.find({ ...filters, limit: 400, cursor }, sample.tenant_id);
        seen.push(...page.events.map(({ id }) => id));
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      expect({ round, filters, seen }).toEqual({ round, filters, seen: expected });
      found += seen.length;
    }
    expect(found).toBeGreaterThan(10_000);
  }, 120_000);

  /** The plan of a page, as the reader runs it, with what was really touched. */
  async function explain(filters: AuditFilters): Promise<Plan[]> {
    const { sql, values } = eventsStatement(filters, 'acme', { limit: 101 });
    await reader.query('BEGIN READ ONLY');
    try {
      await enterTenant(reader, 'acme');
      const { rows } = await reader.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
        values,
      );
      return nodes(rows[0]!['QUERY PLAN'][0].Plan);
    } finally {
      await reader.query('ROLLBACK');
    }
  }
  const monthsTouched = (plan: readonly Plan[]): Set<string> =>
    new Set(
      plan
        .filter((node) => (node['Actual Loops'] ?? 0) > 0)
        .flatMap((node) => /\d{4}_\d{2}/.exec(node['Relation Name'] ?? node['Index Name'] ?? '')?.[0] ?? []),
    );

  const FILTERS: [string, AuditFilters, RegExp][] = [
    ['nothing', {}, /_timestamp_id_idx$/],
    ['ghost_id', { ghost_id: 'ghost-1' }, /^event_entities_\d{4}_\d{2}_pkey$/],
    ['session_id', { session_id: 'session-7' }, /^event_entities_\d{4}_\d{2}_pkey$/],
    ['shell_id', { shell_id: 'echo' }, /^event_entities_\d{4}_\d{2}_pkey$/],
    ['entity', { entity: 'order:7' }, /^event_entities_\d{4}_\d{2}_pkey$/],
    ['action', { action: 'rare-7' }, /_tenant_id_action_timestamp_id_idx$/],
    ['resource', { resource: 'order-7' }, /_tenant_id_resource_timestamp_id_idx$/],
    ['result', { result: 'DENIED' }, /_timestamp_id_idx$/],
    ['service', { service: 'lobby' }, /_timestamp_id_idx$/],
    ['request_id', { request_id: 'request-7' }, /_tenant_id_request_id_timestamp_id_idx$/],
  ];

  it.each(FILTERS)('by %s: reads no month from end to end, uses its index', async (_name, filters, index) => {
    const plan = await explain(filters);
    expect(plan.filter((node) => node['Node Type'] === 'Seq Scan')).toEqual([]);
    expect(plan.map((node) => node['Index Name'] ?? '').filter((name) => index.test(name))).not.toEqual([]);
  });

  it.each(FILTERS)('by %s and from, to: touches no month outside of them', async (_name, filters) => {
    const [from, to] = [monthOf(new Date(), -3), monthOf(new Date(), -1)].map((month) => month.toISOString());
    const plan = await explain({ ...filters, from, to });
    const allowed = [-3, -2].map((offset) => monthOf(new Date(), offset).toISOString().slice(0, 7).replace('-', '_'));
    expect([...monthsTouched(plan)].filter((month) => !allowed.includes(month))).toEqual([]);
    expect(monthsTouched(plan).size).toBeGreaterThan(0);
  });

  it('without a range: stops at the newest months that fill the page', async () => {
    const now = monthOf(new Date()).toISOString().slice(0, 7).replace('-', '_');
    // Those ahead are empty.
    const past = async (filters: AuditFilters) =>
      [...monthsTouched(await explain(filters))].filter((month) => month <= now);
    expect(await past({})).toEqual([now]);
    expect((await past({ ghost_id: 'ghost-1' })).length).toBeLessThanOrEqual(2);
  });

  it('by words: uses the full-text index of each month that is asked, and tells nothing of other tenants', async () => {
    const rare = (await search.find({ q: 'word42', limit: 1000 }, 'acme')).events;
    expect(rare.length).toBeGreaterThan(0);
    expect(new Set(rare.map(({ tenant_id }) => tenant_id))).toEqual(new Set(['acme']));
    const [month] = await service.database.query<{ name: string }>(
      `SELECT max(partition) AS name FROM audit_months('audit_log') WHERE starts <= now()`,
    );
    const text = `(to_tsvector('simple'::regconfig, reason) || jsonb_to_tsvector('simple'::regconfig, metadata, '["string", "numeric", "key"]'))`;
    const owner = new pg.Client({ connectionString: service.database.ownerUrl, connectionTimeoutMillis: 20_000 });
    await owner.connect();
    try {
      // As the function asks; the owner reads a month itself, which the function may and its callers may not.
      await owner.query('SET enable_seqscan = off');
      const { rows } = await owner.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `EXPLAIN (FORMAT JSON) SELECT timestamp, id FROM ${month!.name} WHERE tenant_id = 'acme'
         AND ${text} @@ websearch_to_tsquery('simple', 'word42') ORDER BY timestamp DESC, id DESC LIMIT 100`,
      );
      const used = nodes(rows[0]!['QUERY PLAN'][0].Plan).map((node) => node['Index Name'] ?? '');
      expect(used.join(' ')).toMatch(/expr_idx|text/);
    } finally {
      await owner.end();
    }
    // Without a tenant it finds nothing, and a direct look at a month is refused.
    const { rows } = await reader.query(`SELECT * FROM audit_text_search('word42', '{}', NULL, NULL, 10)`);
    expect(rows).toEqual([]);
    await expect(reader.query(`SELECT 1 FROM ${month!.name}`)).rejects.toMatchObject({ code: '42501' });
  });

  it('takes q as a search engine does', async () => {
    const ids = async (q: string) => (await search.find({ q, limit: 1000 }, 'acme')).events;
    expect((await ids('"no rule matches"')).every(({ reason }) => reason === 'no rule matches')).toBe(true);
    const without = await ids('execute -may');
    expect(without.length).toBeGreaterThan(0);
    expect(without.some(({ reason }) => reason === 'may execute')).toBe(false);
    expect(await ids('-')).toEqual([]);
    expect(await ids(`'); DROP TABLE x; --`)).toEqual([]);
  });

  it('pages hold what was there at the start, each once, while events arrive on all sides', async () => {
    const tenant = 'stable';
    const at = (i: number) => new Date(Date.now() - 60_000 + Math.floor(i / 3)).toISOString();
    const there = Array.from({ length: 500 }, (_, i) => event({ tenant_id: tenant, timestamp: at(i) }));
    await sink.write(there);
    let stop = false;
    const arriving = (async () => {
      for (let i = 0; !stop; i++)
        await sink.write([event({ tenant_id: tenant }), event({ tenant_id: tenant, timestamp: at(i % 500) })]);
    })();
    const seen: string[] = [];
    let cursor: string | undefined;
    try {
      do {
        const page = await search.find({ limit: 7, cursor, q: undefined }, tenant);
        seen.push(...page.events.map(({ id }) => id));
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined && seen.length < 20_000);
    } finally {
      stop = true;
      await arriving;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(there.filter(({ id }) => !seen.includes(id))).toEqual([]);
  }, 60_000);

  it('counts by hour and result', async () => {
    const timelines = service.app.get(AuditTimelines);
    const [from, to] = [new Date(start), new Date(start + 20 * 86_400_000)].map((time) => time.toISOString()) as [
      string,
      string,
    ];
    const timeline = await timelines.count({ from, to }, 'acme');
    const expected = naive({ from, to }, 'acme');
    expect(timeline.hours.reduce((sum, { total }) => sum + total, 0)).toBe(expected.length);
    for (const { hour, results } of timeline.hours)
      for (const result of AUDIT_RESULTS)
        expect(results[result]).toBe(
          expected.filter((each) => each.result === result && each.timestamp.startsWith(hour.slice(0, 13))).length,
        );
    await expect(
      timelines.count({ from, to: new Date(start + 40 * 86_400_000).toISOString() }, 'acme'),
    ).rejects.toThrow(/31 days/);
    expect((await timelines.count({}, 'nobody')).hours).toEqual([]);
  });

  it('finds a quarantined event by what it is about, once its month is there', async () => {
    const stray = event({
      tenant_id: 'acme',
      timestamp: '2150-03-31T23:59:59.1234567Z',
      entities: [{ kind: 'user', id: 'stray' }],
      metadata: { word: 'quarantinedword' },
    });
    expect(await sink.write([stray])).toEqual({ accepted: 1, duplicates: 0 });
    expect((await search.find({ entity: 'user:stray', limit: 10 }, 'acme')).events).toEqual([]);
    const keeper = new MonthMaintenance({
      url: service.database.ownerUrl,
      months: { ahead: 3, back: 1, retention: 0 },
      log: { info: () => undefined, warn: () => undefined },
      now: () => new Date('2150-02-01T00:00:00Z'),
    });
    expect(await keeper.run()).toMatchObject({ quarantined: 0 });
    const expected = [{ ...stray, timestamp: '2150-03-31T23:59:59.123456Z' }];
    expect((await search.find({ entity: 'user:stray', limit: 10 }, 'acme')).events).toEqual(expected);
    expect((await search.find({ q: 'quarantinedword', limit: 10 }, 'acme')).events).toEqual(expected);
    expect(await sink.write([stray])).toEqual({ accepted: 0, duplicates: 1 });
  });
});

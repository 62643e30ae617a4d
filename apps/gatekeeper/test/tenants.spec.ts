import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import request from 'supertest';
import { PostgresSink } from '#audit';
import { type AuditEvent, type AuditQuery } from '#contracts';
import { createPool } from '#database';
import { agentToken, serviceToken, startService, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';
import { AuditSearch } from '../src/audit/audit-search.js';
import { TrailReader } from '../src/audit/trail-reader.js';

const TENANTS = ['acme', 'globex', 'initech'];
const EVENTS = 600;
const READS = 10_000;
const AT_ONCE = 16;

/** A small generator with a seed (Park and Miller), so that a failure can be run again. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

describe('tenants', () => {
  let service: TestService;
  let events: AuditEvent[];
  const tenantOf = new Map<string, string>();
  const clients: pg.Client[] = [];

  const connect = async (url: string | undefined): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url ?? '', connectionTimeoutMillis: 20_000 });
    clients.push(client);
    await client.connect();
    return client;
  };

  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
    events = Array.from({ length: EVENTS }, (_, i): AuditEvent => {
      const tenant = TENANTS[i % TENANTS.length]!;
      return {
        id: randomUUID(),
        tenant_id: tenant,
        timestamp: new Date(Date.now() - i).toISOString(),
        service: 'router',
        // The same names everywhere: nothing but the tenant tells these rows apart.
        ghost_id: `ghost-${i % 5}`,
        shell_id: null,
        action: `action-${i % 4}`,
        resource: `resource-${i % 7}`,
        result: 'ALLOWED',
        reason: '',
        request_id: null,
        session_id: null,
        entities: [{ kind: 'user', id: `${i % 10}` }],
        metadata: {},
        producer: null,
        sequence: null,
      };
    });
    for (const event of events) tenantOf.set(event.id, event.tenant_id);
    const sink = new PostgresSink(createPool(service.database.runtimeUrl, 'tenants', 1, () => undefined));
    await sink.write(events);
    await sink.close();
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await service.close();
  });

  it('10,000 random reads on shared connections, tenants taking turns: no foreign row', async () => {
    const search = service.app.get(AuditSearch);
    const below = dice(20_251_121);
    const maybe = <T>(value: T): T | undefined => (below(2) === 0 ? value : undefined);
    let rows = 0;
    const read = async (): Promise<void> => {
      const tenant = TENANTS[below(TENANTS.length)]!;
      if (below(3) === 0) {
        const { id, tenant_id: owner } = events[below(events.length)]!;
        const found = await search.get(id, tenant).catch((error: { code: string }) => error.code);
        expect(typeof found === 'string' ? found : found.id).toBe(owner === tenant ? id : 'event_not_found');
        return;
      }
      const query: AuditQuery = {
        ghost_id: maybe(`ghost-${below(5)}`),
        action: maybe(`action-${below(4)}`),
        entity: maybe(`user:${below(10)}`),
        limit: 1 + below(20),
      };
      const page = await search.find(query, tenant);
      rows += page.events.length;
      for (const { id, tenant_id: seen } of page.events) expect([seen, tenantOf.get(id)]).toEqual([tenant, tenant]);
    };
    for (let done = 0; done < READS; done += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, read));
    expect(rows).toBeGreaterThan(READS);
  }, 120_000);

  it('a query without any condition sees one tenant, and after the transaction none', async () => {
    const trail = service.app.get(TrailReader);
    for (const tenant of TENANTS) {
      const rows = await trail.within(tenant, (run) =>
        run<{ tenant_id: string; count: number }>(
          'SELECT tenant_id, count(*)::int AS count FROM audit_log GROUP BY 1',
          [],
        ),
      );
      expect(rows).toEqual([{ tenant_id: tenant, count: EVENTS / TENANTS.length }]);
    }
    const reader = await connect(service.database.readerUrl);
    expect((await reader.query('SELECT 1 FROM audit_log')).rowCount).toBe(0);
  });

  it.each([
    ['insert', `INSERT INTO audit_log (id) VALUES (gen_random_uuid())`],
    ['update', `UPDATE audit_log SET reason = 'x'`],
    ['delete', 'DELETE FROM audit_log'],
    ['truncate', 'TRUNCATE audit_log'],
    ['copy in', 'COPY audit_log FROM STDIN'],
    ['turn row-level security off', 'ALTER TABLE audit_log DISABLE ROW LEVEL SECURITY'],
    ['make months', 'SELECT ensure_audit_partitions(1, 3)'],
    ['become the runtime role', 'SET ROLE pg_write_all_data'],
  ])('the reader may not %s', async (_name, sql) => {
    const reader = await connect(service.database.readerUrl);
    await expect(reader.query(sql)).rejects.toMatchObject({ code: '42501' });
  });

  it('the reader gets an error, not rows, when it asks for row-level security to be off', async () => {
    const reader = await connect(service.database.readerUrl);
    await reader.query('SET row_security = off');
    await expect(reader.query('SELECT 1 FROM audit_log')).rejects.toMatchObject({ code: '42501' });
  });

  it('the notary reads all tenants and changes nothing; the owner of the tables reads none', async () => {
    const notary = await connect(service.database.notaryUrl);
    const { rows } = await notary.query('SELECT DISTINCT tenant_id FROM audit_log ORDER BY 1');
    expect(rows.map(({ tenant_id }: { tenant_id: string }) => tenant_id)).toEqual(expect.arrayContaining(TENANTS));
    await expect(notary.query('DELETE FROM audit_log')).rejects.toMatchObject({ code: '42501' });
    const owner = await connect(service.database.ownerUrl);
    expect((await owner.query('SELECT 1 FROM audit_log')).rowCount).toBe(0);
  });

  describe('over HTTP', () => {
    const get = async (path: string, token: Promise<string>) =>
      (await request(service.url)
        .get(path)
        .set('authorization', `Bearer ${await token}`)) as { status: number; body: { events: AuditEvent[] } };
    const admin = (tenant = 'default') => agentToken('Supervisor', { tenant });

    it("an agent sees its token's tenant, and is refused another's", async () => {
      const own = await get('/v1/audit/events?limit=1000&service=router', admin('acme'));
      expect(own.body.events).toHaveLength(EVENTS / TENANTS.length);
      const others = await get('/v1/audit/events?tenant_id=globex', admin('acme'));
      expect(others.body).toMatchObject({ status: 403, code: 'other_tenant' });
      const foreign = events.find(({ tenant_id }) => tenant_id === 'globex')!;
      expect((await get(`/v1/audit/events/${foreign.id}`, admin('acme'))).status).toBe(404);
      expect((await get(`/v1/audit/events/${foreign.id}`, admin('globex'))).status).toBe(200);
      expect((await get('/v1/audit/events?service=router', admin())).body.events).toEqual([]);
    });

    it('a service says which tenant it means', async () => {
      const token = () => serviceToken('lobby', 'gatekeeper');
      const page = await get('/v1/audit/events?tenant_id=initech&limit=1000', token());
      expect(page.body.events).toHaveLength(EVENTS / TENANTS.length);
      expect((await get('/v1/audit/events?service=router', token())).body.events).toEqual([]);
    });
  });

  it('the gatekeeper does not start with a reader that sees all tenants', async () => {
    const environment = { GATEKEEPER_READER_URL: service.database.notaryUrl! };
    await expect(startService('gatekeeper', gatekeeper, { environment, database: service.database })).rejects.toThrow(
      /GATEKEEPER_READER_URL: the role .*_notary sees all tenants/,
    );
  });
});

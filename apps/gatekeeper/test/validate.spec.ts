import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import canonicalize from 'canonicalize';
import request from 'supertest';
import { AuditLogger } from '#audit';
import { auditEvent, decisionMetadata, validateResponse } from '#contracts';
import { agentToken, serviceToken, startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

describe('POST /validate', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
  });
  afterAll(() => service.close());

  const ask = (
    token: string | undefined,
    body: object | string = { action: 'execute', resource: 'shells/l1/echo' },
  ) => {
    const call = request(service.url).post('/validate').set('content-type', 'application/json').send(body);
    return token === undefined ? call : call.set('authorization', `Bearer ${token}`);
  };
  const audited = async (id: unknown) => {
    const supervisor = await agentToken('Supervisor');
    const answer = await waitFor('the event', async () => {
      const since = Date.now();
      const found = await request(service.url)
        .get(`/v1/audit/events/${String(id)}`)
        .set('authorization', `Bearer ${supervisor}`);
      // It waits a second for what is on its way into the trail.
      if (found.status === 404) expect(Date.now() - since).toBeGreaterThan(900);
      return found.status !== 404 && found;
    });
    return auditEvent.parse(answer.body);
  };

  it('allows what a rule of the ghost allows, and records it', async () => {
    const answer = await ask(await agentToken('Scout'), {
      action: 'execute',
      resource: 'shells/l1/echo',
      metadata: { session_id: 's-1' },
    }).set('x-request-id', 'req-1');
    expect(answer.status).toBe(200);
    expect(answer.headers['x-request-id']).toBe('req-1');
    const body = validateResponse.parse(answer.body);
    expect(body).toMatchObject({ ghost_id: 'Scout', groups: ['scout'], reason: 'group scout may execute shells/l1/*' });
    expect(await audited(body.audit_id)).toMatchObject({
      tenant_id: 'default',
      service: 'gatekeeper',
      ghost_id: 'Scout',
      shell_id: 'echo',
      action: 'execute',
      resource: 'shells/l1/echo',
      result: 'ALLOWED',
      request_id: 'req-1',
      session_id: 's-1',
      metadata: {
        policy_version: body.policy_version,
        rule: { group: 'scout', effect: 'allow', action: 'execute', resource: 'shells/l1/*' },
        groups: ['scout'],
        input: { groups: [] },
        request: { session_id: 's-1' },
      },
    });
  });

  it('records what it takes to decide again, and a digest of it', async () => {
    const token = await agentToken('Stranger', { groups: ['scout', 'other'], tenant: 'acme' });
    const answer = await ask(token, { action: 'read', resource: 'vaults/private' });
    const id = (answer.body as { audit_id: string }).audit_id;
    await service.app.get(AuditLogger).flush();
    const [row] = await service.database.query('SELECT metadata FROM audit_log WHERE id = $1', [id]);
    const input = { action: 'read', ghost_id: 'Stranger', groups: ['scout', 'other'], resource: 'vaults/private' };
    const digest = hash('sha256', canonicalize({ ...input, tenant_id: 'acme' })!);
    expect(decisionMetadata.parse(row!.metadata)).toEqual({
      policy_version: (answer.body as { policy_version: string }).policy_version,
      rule: null,
      groups: ['scout', 'other'],
      input: { groups: ['scout', 'other'] },
      input_digest: `sha256:${digest}`,
    });
  });

  it("leaves the caller's own metadata out of an event that would be too large with them", async () => {
    const metadata = { filler: 'x'.repeat(32_700) };
    const answer = await ask(await agentToken('Supervisor'), { resource: 'anything', metadata });
    expect(answer.body).toMatchObject({ allowed: true });
    const { metadata: recorded } = await audited((answer.body as { audit_id: string }).audit_id);
    expect(recorded).toMatchObject({ too_large: true, groups: ['admin'], input_digest: expect.any(String) });
    expect(recorded).not.toHaveProperty('request');
  });

  it('takes a resource with a control character for what it is', async () => {
    const answer = await ask(await agentToken('Supervisor'), { resource: 'shells/l1/a\u0001b' });
    expect(await audited((answer.body as { audit_id: string }).audit_id)).toMatchObject({ shell_id: null });
  });

  it('denies what no rule allows, says why, and records it', async () => {
    const answer = await ask(await agentToken('Scout'), { action: 'execute', resource: 'shells/l3/gemini-1.5-pro' });
    expect(answer.status).toBe(403);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    const body = answer.body as Record<string, unknown>;
    expect(body).toMatchObject({
      status: 403,
      code: 'policy_denied',
      ghost_id: 'Scout',
      reason: 'no rule of scout allows it',
    });
    expect(body.detail).toMatch(/^Access denied by policy/);
    expect(body.policy_version).toMatch(/^[0-9a-f]{64}$/);
    expect(await audited(body.audit_id)).toMatchObject({ result: 'DENIED', shell_id: 'gemini-1.5-pro' });
  });

  it("takes the groups that a token names beside the ghost's own", async () => {
    const stranger = await ask(await agentToken('Stranger'));
    expect(stranger.body).toMatchObject({ status: 403, reason: 'the ghost belongs to no group' });
    const admitted = await ask(await agentToken('Stranger', { groups: ['scout'] }));
    expect(admitted.body).toMatchObject({ allowed: true, groups: ['scout'] });
  });

  it('uses the action inference when none is given', async () => {
    const answer = await ask(await agentToken('Supervisor'), { resource: 'anything' });
    expect(await audited((answer.body as { audit_id: string }).audit_id)).toMatchObject({ action: 'inference' });
  });

  it.each([
    ['no header', undefined, 'Missing Authorization header'],
    ['an expired token', () => agentToken('Scout', { ttl: -60 }), 'Invalid or expired token'],
    ['another key', () => agentToken('Scout', { secret: 'x'.repeat(40) }), 'Invalid or expired token'],
    ['no token at all', () => Promise.resolve('nonsense'), 'Invalid or expired token'],
    [
      'alg none',
      () => Promise.resolve(unsigned({ sub: 'Supervisor', exp: 9_999_999_999 })),
      'Invalid or expired token',
    ],
    ["a service's token", () => serviceToken('router', 'gatekeeper'), 'Invalid or expired token'],
  ])('refuses %s with 401, and records it', async (_name, make, detail) => {
    const answer = await ask(make && (await make()), { resource: 'vaults/public' });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.body).toMatchObject({ detail });
    const id = (answer.body as { request_id: string }).request_id;
    await service.app.get(AuditLogger).flush();
    const rows = await service.database.query(
      'SELECT result, resource, ghost_id FROM audit_log WHERE request_id = $1',
      [id],
    );
    expect(rows).toEqual([{ result: 'UNAUTHENTICATED', resource: 'vaults/public', ghost_id: null }]);
  });

  it.each([
    ['a missing resource', { action: 'read' }, 'resource'],
    ['an action that is no text', { action: 1, resource: 'a' }, 'action'],
    ['a resource that climbs', { resource: 'shells/l1/../l3/x' }, 'resource'],
    ['a NUL in metadata', { resource: 'a', metadata: { x: '\0' } }, 'metadata'],
    ['metadata without end', { resource: 'a', metadata: { x: 'y'.repeat(40_000) } }, 'metadata'],
  ])('refuses %s with 400, naming the field', async (_name, body, field) => {
    const answer = await ask(await agentToken('Supervisor'), body);
    expect(answer.status).toBe(400);
    expect((answer.body as { detail: string }).detail).toContain(`${field}:`);
  });

  it('refuses broken JSON with 400 and a body over 1 MiB with 413', async () => {
    const token = await agentToken('Supervisor');
    expect((await ask(token, '{"resource":')).body).toMatchObject({ status: 400, code: 'invalid_json' });
    const large = JSON.stringify({ resource: 'a', metadata: { x: 'y'.repeat(1024 * 1024) } });
    expect((await ask(token, large)).body).toMatchObject({ status: 413, code: 'body_too_large' });
  });
});

describe('when the audit trail takes no events', () => {
  /** The sink does not get to write: the table is locked. */
  async function withFullTrail(
    environment: Record<string, string>,
    work: (
      ask: (action?: string) => Promise<request.Response>,
      release: () => Promise<void>,
      url: string,
    ) => Promise<void>,
  ): Promise<void> {
    const service = await startService('gatekeeper', gatekeeper, { environment });
    try {
      const token = await agentToken('Supervisor');
      const metadata = { filler: 'x'.repeat(30_000) };
      const ask = (action = 'read') =>
        request(service.url)
          .post('/validate')
          .set('authorization', `Bearer ${token}`)
          .send({ action, resource: 'a', metadata });
      // What was recorded at the start would stay in the queue.
      await service.app.get(AuditLogger).flush();
      const release = await service.database.lockTable('audit_log');
      try {
        await work(async (action) => ask(action), release, service.url);
      } finally {
        await release();
      }
    } finally {
      await service.close();
    }
  }

  it.each([
    ['memory', { AUDIT_DURABILITY: 'memory', AUDIT_QUEUE_MAXSIZE: '2' }],
    ['the spool', { AUDIT_SPOOL_MAXBYTES: String(1024 ** 2) }],
  ])(
    'because %s is full, answers 503, says so in /health, and recovers by itself',
    async (_name, environment) => {
      await withFullTrail(environment, async (ask, release, url) => {
        let answer = await ask();
        for (let i = 0; i < 100 && answer.status === 200; i++) answer = await ask();
        expect(answer.status).toBe(503);
        expect(answer.body).toMatchObject({ code: 'audit_unavailable' });
        expect(answer.headers['retry-after']).toBe('1');
        const health = await request(url).get('/health');
        expect(health.status).toBe(503);
        expect(health.text).toContain('is full');
        await release();
        await waitFor('room', async () => (await ask()).status === 200, 20_000);
      });
    },
    60_000,
  );

  it('goes on unrecorded, and counts it, where the fail mode is open, and only there', async () => {
    const environment = { AUDIT_DURABILITY: 'memory', AUDIT_QUEUE_MAXSIZE: '1', AUDIT_FAIL_MODES: 'read=open' };
    await withFullTrail(environment, async (ask) => {
      expect((await ask('execute')).body).toMatchObject({ allowed: true, audit_id: expect.any(String) });
      expect((await ask('read')).body).toMatchObject({ allowed: true, audit_id: null });
      expect((await ask('execute')).body).toMatchObject({ status: 503, code: 'audit_unavailable' });
    });
  });
});

function unsigned(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`;
}

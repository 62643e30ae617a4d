import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import request, { type Response } from 'supertest';
import { agentToken, serviceToken, startService, testPostgresUrl, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../../apps/gatekeeper/src/app.module.js';

const DECISIONS = 20;

describe('when the database of the gatekeeper is down', () => {
  let service: TestService;
  let admin: pg.Client;
  const call = async (method: 'get' | 'post', path: string, body?: object, token?: string): Promise<Response> => {
    const bearer = `Bearer ${token ?? (await agentToken('Supervisor'))}`;
    const made = request(service.url)[method](path).set('authorization', bearer);
    return body ? made.send(body) : made;
  };
  /** @returns the id of its event */
  const decide = async (): Promise<string> => {
    const answer = await call('post', '/validate', { action: 'read', resource: 'vaults/public' });
    expect(answer.status).toBe(200);
    return (answer.body as { audit_id: string }).audit_id;
  };
  const allowConnections = (allowed: boolean) =>
    admin.query(`ALTER DATABASE ${service.database.name} ALLOW_CONNECTIONS ${allowed}`);

  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
    admin = new pg.Client({ connectionString: testPostgresUrl() });
    await admin.connect();
  });
  afterAll(async () => {
    await allowConnections(true);
    await admin.end();
    await service.close();
  });

  it('it decides and records on; what only the database knows is 503; afterwards nothing is missing', async () => {
    const decided: string[] = [await decide()];
    await allowConnections(false);
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
      service.database.name,
    ]);
    for (let i = 0; i < DECISIONS; i++) decided.push(await decide());
    expect((await call('post', '/validate', { action: 'read', resource: 'x' }, 'forged')).status).toBe(401);
    expect((await call('post', '/v1/policy/explain', { action: 'read', resource: 'x' })).status).toBe(200);
    expect((await call('get', '/v1/audit/stats')).status).toBe(200);

    const unavailable = { status: 503, code: 'database_unavailable' };
    expect((await call('get', '/v1/audit/events')).body).toMatchObject(unavailable);
    expect((await call('get', `/v1/audit/events/${decided[0]}`)).body).toMatchObject(unavailable);
    expect((await call('get', '/v1/tokens/revoked')).body).toMatchObject(unavailable);
    expect((await call('post', '/v1/tokens/revoke', { jti: 'any' })).body).toMatchObject({ status: 503 });
    const event = {
      id: randomUUID(),
      timestamp: new Date().toISOString(),
      service: 'lobby',
      action: 'a',
      resource: 'r',
      result: 'SUCCEEDED',
    };
    const ingest = await call(
      'post',
      '/v1/audit/events',
      { events: [event] },
      await serviceToken('lobby', 'gatekeeper'),
    );
    expect(ingest.body).toMatchObject({ status: 503, code: 'audit_unavailable' });
    const health = await request(service.url).get('/health');
    expect([health.status, health.body]).toMatchObject([503, { status: 'unhealthy', database: false }]);

    await allowConnections(true);
    await waitFor('the database', async () => (await call('get', '/v1/audit/events')).status === 200, 20_000);
    await waitFor(
      'the decisions in the trail',
      async () => {
        const rows = await service.database.query('SELECT id FROM audit_log WHERE id = ANY($1)', [decided]);
        return rows.length === decided.length;
      },
      20_000,
    );
    await waitFor('health', async () => (await request(service.url).get('/health')).status === 200, 20_000);
  });
});

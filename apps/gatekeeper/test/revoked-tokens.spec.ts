import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt, SignJWT } from 'jose';
import request from 'supertest';
import { AuditLogger } from '#audit';
import { revokedTokensResponse, revokeTokensResponse } from '#contracts';
import { agentToken, serviceToken, startService, TEST_JWT_SECRET, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

describe('revoked tokens', () => {
  let here: TestService;
  let there: TestService;
  let counter = 0;
  let ghost: string;
  beforeAll(async () => {
    here = await startService('gatekeeper', gatekeeper);
    there = await startService('gatekeeper', gatekeeper, { database: here.database });
  });
  beforeEach(() => {
    ghost = `Ghost ${++counter}`;
  });
  afterAll(async () => {
    await there.stop();
    await here.close();
  });

  const statusAt = async (service: TestService, token: string) =>
    (
      await request(service.url)
        .post('/validate')
        .set('authorization', `Bearer ${token}`)
        .send({ action: 'read', resource: 'a' })
    ).status;
  const revoke = async (body: object, token?: string, service = here) =>
    request(service.url)
      .post('/v1/tokens/revoke')
      .set('authorization', `Bearer ${token ?? (await agentToken('Supervisor'))}`)
      .send(body);
  const listed = async (token?: string, query = '') => {
    const answer = await request(here.url)
      .get(`/v1/tokens/revoked${query}`)
      .set('authorization', `Bearer ${token ?? (await agentToken('Supervisor'))}`);
    expect(answer.status).toBe(200);
    return revokedTokensResponse.parse(answer.body).revoked;
  };
  const admin = (tenant?: string) => agentToken(ghost, { groups: ['admin'], ...(tenant && { tenant }) });
  /** A token that was issued so many seconds from now; `undefined`: that does not say. */
  const issued = (secondsFromNow: number | undefined, name = ghost) => {
    const now = Math.floor(Date.now() / 1000);
    const token = new SignJWT({ groups: ['admin'] }).setProtectedHeader({ alg: 'HS256' }).setSubject(name);
    if (secondsFromNow !== undefined) token.setIssuedAt(now + secondsFromNow);
    return token.setExpirationTime(now + 300).sign(new TextEncoder().encode(TEST_JWT_SECRET));
  };

  it('are refused at once here, and soon on another instance, also where they were good a moment ago', async () => {
    const token = await admin();
    const { jti } = decodeJwt(token);
    expect([await statusAt(here, token), await statusAt(there, token)]).toEqual([200, 200]);
    const answer = await revoke({ jti, reason: 'stolen' });
    expect(answer.status).toBe(200);
    expect(revokeTokensResponse.parse(answer.body).revoked).toEqual({ tenant_id: 'default', jti });
    expect(await statusAt(here, token)).toBe(401);
    await waitFor('the other instance', async () => (await statusAt(there, token)) === 401);
    expect(await statusAt(here, await admin())).toBe(200);
  });

  it('are recorded before the answer, and doing it again is no error', async () => {
    const jti = `again ${counter}`;
    const first = await revoke({ jti, reason: 'lost' });
    const second = await revoke({ jti });
    expect(second.body).toEqual(first.body);
    await here.app.get(AuditLogger).flush();
    const events = await here.database.query(
      `SELECT ghost_id, result, reason, entities FROM audit_log WHERE action = 'token.revoke' AND resource = $1 ORDER BY id`,
      [`tokens/${jti}`],
    );
    const event = { ghost_id: 'Supervisor', result: 'SUCCEEDED', entities: [{ kind: 'token', id: jti }] };
    expect(events).toEqual([
      { ...event, reason: 'lost' },
      { ...event, reason: '' },
    ]);
  });

  it('by ghost: what was issued until then or does not say when, and not what comes later', async () => {
    const [before, silent, later] = await Promise.all([issued(-5), issued(undefined), issued(20)]);
    expect(await statusAt(here, before)).toBe(200);
    expect((await revoke({ ghost_id: ghost })).status).toBe(200);
    expect(await Promise.all([before, silent, later].map((token) => statusAt(here, token)))).toEqual([401, 401, 200]);
    await waitFor('the other instance', async () => (await statusAt(there, before)) === 401);
    expect(await statusAt(there, later)).toBe(200);
  });

  it('of one tenant are not those of another, and an agent revokes in its own only', async () => {
    const [ours, theirs] = await Promise.all([admin(), admin('acme')]);
    expect((await revoke({ ghost_id: ghost, tenant_id: 'acme' })).body).toMatchObject({
      status: 403,
      code: 'foreign_tenant',
    });
    expect((await revoke({ ghost_id: ghost })).status).toBe(200);
    expect([await statusAt(here, ours), await statusAt(here, theirs)]).toEqual([401, 200]);
    expect((await listed(theirs)).filter(({ ghost_id }) => ghost_id === ghost)).toEqual([]);
    const service = () => serviceToken('router', 'gatekeeper');
    expect((await revoke({ ghost_id: ghost, tenant_id: 'acme' }, await service())).status).toBe(200);
    expect(await statusAt(here, theirs)).toBe(401);
    const all = (await listed(await service())).filter(({ ghost_id }) => ghost_id === ghost);
    expect(all.map(({ tenant_id, revoked_by }) => [tenant_id, revoked_by])).toEqual([
      ['acme', 'services/router'],
      ['default', 'Supervisor'],
    ]);
  });

  it('are listed newest first, and stay as long as they matter', async () => {
    await revoke({ jti: `listed ${counter}`, reason: 'why' });
    await revoke({ ghost_id: ghost });
    const [newest, second] = await listed(undefined, '?limit=2');
    expect(newest).toMatchObject({ ghost_id: ghost, expires_at: null, revoked_by: 'Supervisor' });
    expect(second).toMatchObject({ jti: `listed ${counter}`, reason: 'why' });
    const days = (Date.parse(second?.expires_at ?? '') - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(366);
    const expired = `UPDATE revoked_tokens SET expires_at = now() - interval '1 second' WHERE value = $1`;
    await here.database.query(expired, [`listed ${counter}`]);
    const restarted = await startService('gatekeeper', gatekeeper, { database: here.database });
    await restarted.stop();
    expect((await listed(undefined, '?limit=1000')).map(({ jti }) => jti)).not.toContain(`listed ${counter}`);
  });

  it('need the right to, and exactly one of jti and ghost_id', async () => {
    expect((await revoke({ jti: 'x' }, await agentToken('Scout'))).status).toBe(403);
    for (const body of [{}, { jti: 'x', ghost_id: 'y' }, { jti: '' }, { ghost_id: 'a\0' }, { jti: 'j'.repeat(201) }])
      expect([body, (await revoke(body)).status]).toEqual([body, 400]);
  });

  it('stay revoked after a restart, and while the database is down; nothing is revoked then', async () => {
    const [token, other] = await Promise.all([admin(), agentToken(`${ghost}b`, { groups: ['admin'] })]);
    await revoke({ jti: decodeJwt(token).jti });
    const restarted = await startService('gatekeeper', gatekeeper, { database: here.database });
    const { name, query } = here.database;
    try {
      expect(await statusAt(restarted, token)).toBe(401);
      await query(`ALTER ROLE ${name} NOLOGIN`);
      await waitFor('its sessions to be gone', async () => {
        const ended = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1';
        return (await query(ended, [name])).length === 0;
      });
      const answer = await revoke({ jti: decodeJwt(other).jti }, undefined, restarted);
      expect(answer.body).toMatchObject({ status: 503, code: 'database_unavailable' });
      expect([await statusAt(restarted, token), await statusAt(restarted, other)]).toEqual([401, 200]);
      await waitFor('health', async () => {
        const answer = await request(restarted.url).get('/health');
        const { revoked_tokens } = answer.body as { revoked_tokens?: { problem?: string } };
        return answer.status === 503 && revoked_tokens?.problem?.includes('counts');
      });
    } finally {
      await query(`ALTER ROLE ${name} LOGIN`);
      await restarted.stop();
    }
  });
});

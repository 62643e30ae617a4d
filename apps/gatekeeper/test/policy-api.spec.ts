import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { explainResponse } from '#contracts';
import { agentToken, serviceToken, startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

const POLICY = `
groups:
  admin: { permissions: [{ action: '*', resource: '*' }] }
  readers: { permissions: [{ action: read, resource: docs/* }, { action: read, resource: vaults/public }] }
  barred: { permissions: [{ action: read, resource: docs/secret/*, effect: deny }] }
ghost_mappings: { Supervisor: [admin], Reader: [readers] }
`;

describe('the policy API', () => {
  let service: TestService;
  let directory: string;
  let file: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-policy-'));
    file = join(directory, 'policy.yaml');
    await writeFile(file, POLICY);
    const environment = { ACCESS_POLICY_PATH: file, ACCESS_POLICY_WATCH: 'false' };
    service = await startService('gatekeeper', gatekeeper, { environment });
  });
  afterAll(async () => {
    await service.close();
    await rm(directory, { recursive: true });
  });

  const as = async (ghost: string, path: string, body: object = {}) =>
    request(service.url)
      .post(path)
      .set('authorization', `Bearer ${await agentToken(ghost)}`)
      .send(body);

  it('explains which rule matches', async () => {
    const answer = await as('Reader', '/v1/policy/explain', { action: 'read', resource: 'docs/a/b' });
    expect(explainResponse.parse(answer.body)).toMatchObject({
      allowed: true,
      ghost_id: 'Reader',
      matched: [{ group: 'readers', action: 'read', resource: 'docs/*' }],
      considered: [{ resource: 'vaults/public', why_not: 'its resource is vaults/public' }],
    });
  });

  it('explains the deny that decides, and what it beats', async () => {
    const answer = await request(service.url)
      .post('/v1/policy/explain')
      .set('authorization', `Bearer ${await agentToken('Reader', { groups: ['barred'] })}`)
      .send({ action: 'read', resource: 'docs/secret/a' });
    const deny = { index: 1, group: 'barred', effect: 'deny', action: 'read', resource: 'docs/secret/*' };
    expect(explainResponse.parse(answer.body)).toMatchObject({
      allowed: false,
      reason: 'group barred must not read docs/secret/*',
      rule: deny,
      matched: [{ index: 2, group: 'readers', effect: 'allow' }, deny],
      considered: [{ why_not: 'its resource is vaults/public' }],
      complete: true,
    });
  });

  it('explains why none does', async () => {
    const answer = await as('Reader', '/v1/policy/explain', { action: 'write', resource: 'docs/a' });
    const body = explainResponse.parse(answer.body);
    expect(body).toMatchObject({ allowed: false, matched: [], reason: 'no rule of readers allows it' });
    expect(body.considered.map(({ why_not }) => why_not)).toEqual(['its action is read', 'its action is read']);
  });

  it('has nothing to explain to a service', async () => {
    const answer = await request(service.url)
      .post('/v1/policy/explain')
      .set('authorization', `Bearer ${await serviceToken('router', 'gatekeeper')}`)
      .send({ resource: 'a' });
    expect(answer.body).toMatchObject({ status: 403, code: 'agent_token_required' });
  });

  it('puts a changed file in force when told to, and knows whether anything changed', async () => {
    const first = await as('Supervisor', '/v1/policy/reload');
    expect(first.body).toMatchObject({ changed: false, groups: 3, rules: 4 });
    expect((await as('Reader', '/validate', { action: 'read', resource: 'new' })).status).toBe(403);
    await writeFile(file, POLICY.replace('vaults/public', 'new'));
    const second = await as('Supervisor', '/v1/policy/reload');
    expect(second.body).toMatchObject({ changed: true });
    expect((await as('Reader', '/validate', { action: 'read', resource: 'new' })).status).toBe(200);
  });

  it('refuses a bad file with the reason, and keeps the policy in force', async () => {
    await writeFile(file, 'groups:\n  readers:\n    permissons: []\n');
    const answer = await as('Supervisor', '/v1/policy/reload');
    expect(answer.body).toMatchObject({ status: 400, code: 'policy_invalid' });
    expect((answer.body as { detail: string }).detail).toContain('groups.readers');
    expect((await as('Supervisor', '/validate', { resource: 'a' })).status).toBe(200);
    await writeFile(file, 'groups: [\n');
    expect((await as('Supervisor', '/v1/policy/reload')).body).toMatchObject({ status: 400 });
    await writeFile(file, POLICY);
  });

  it('lets only those reload who may', async () => {
    expect((await as('Reader', '/v1/policy/reload')).status).toBe(403);
  });
});

describe('without a policy', () => {
  it('denies everything, and says so in health', async () => {
    const service = await startService('gatekeeper', gatekeeper, {
      environment: { ACCESS_POLICY_PATH: '/nowhere.yaml' },
    });
    try {
      const answer = await request(service.url)
        .post('/validate')
        .set('authorization', `Bearer ${await agentToken('Supervisor')}`)
        .send({ resource: 'a' });
      expect(answer.body).toMatchObject({ status: 403, reason: 'no policy is loaded' });
      const health = await waitFor('the database to answer', async () => {
        const answer = await request(service.url).get('/health');
        return (answer.body as { database: boolean }).database && answer;
      });
      expect(health.status).toBe(503);
      expect(health.body).toMatchObject({ status: 'unhealthy', policy: { loaded: false } });
    } finally {
      await service.close();
    }
  });
});

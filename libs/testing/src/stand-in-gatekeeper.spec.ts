import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GatekeeperClient } from '#clients';
import { type AuditEvent } from '#contracts';
import { ServiceTokens } from '#http';
import { startStandInGatekeeper, type StandInGatekeeper } from './stand-in-gatekeeper.js';
import { agentToken, TEST_SERVICE_KEY } from './tokens.js';

const event: AuditEvent = {
  id: '0199e0e4-0000-7000-8000-000000000001',
  timestamp: '2025-11-21T00:00:00Z',
  service: 'guardian',
  tenant_id: 'default',
  ghost_id: null,
  shell_id: null,
  action: 'test',
  resource: 'test',
  result: 'SUCCEEDED',
  reason: '',
  request_id: null,
  session_id: null,
  entities: [],
  metadata: {},
  producer: null,
  sequence: null,
};

describe('the stand-in gatekeeper', () => {
  let gatekeeper: StandInGatekeeper;
  let client: GatekeeperClient;
  const clientWith = (key: string) =>
    new GatekeeperClient({
      name: 'gatekeeper',
      url: gatekeeper.url,
      tokens: new ServiceTokens('guardian', key),
      timeoutMs: 20_000,
    });
  beforeEach(async () => {
    gatekeeper = await startStandInGatekeeper();
    client = clientWith(TEST_SERVICE_KEY);
  });
  afterEach(async () => {
    await client.close();
    await gatekeeper.close();
  });

  it('tells services whose token it is', async () => {
    expect(await client.introspect(await agentToken('Supervisor', { tenant: 'acme' }))).toMatchObject({
      active: true,
      sub: 'Supervisor',
      groups: ['admin'],
      tenant_id: 'acme',
    });
    expect(await client.introspect(await agentToken('Scout', { groups: ['scout'] }))).toMatchObject({
      groups: ['scout'],
    });
    expect(await client.introspect(await agentToken('Scout', { ttl: -1 }))).toEqual({ active: false });
  });

  it('refuses a service with another key', async () => {
    const stranger = clientWith('another service key, thirty-two characters or more');
    await expect(stranger.introspect('x')).rejects.toMatchObject({
      kind: 'unavailable',
      cause: { message: expect.stringContaining('SERVICE_KEY') },
    });
    await stranger.close();
  });

  it('allows admins, and others what the test says', async () => {
    const scout = await agentToken('Scout');
    const asked = { action: 'write', resource: 'a/b' };
    await expect(client.validate(await agentToken('Supervisor'), asked)).resolves.toMatchObject({ allowed: true });
    await expect(client.validate(scout, asked)).rejects.toMatchObject({
      kind: 'forbidden',
      code: 'policy_denied',
      detail: expect.stringMatching(/^Access denied by policy/),
      extensions: { ghost_id: 'Scout', audit_id: expect.any(String) },
    });
    gatekeeper.allow(({ resource }) => resource === 'a/b');
    await expect(client.validate(scout, asked)).resolves.toMatchObject({ allowed: true, ghost_id: 'Scout' });
    expect(gatekeeper.validations.map(({ ghost_id, allowed }) => [ghost_id, allowed])).toEqual([
      ['Supervisor', true],
      ['Scout', false],
      ['Scout', true],
    ]);
  });

  it('takes each audit event once', async () => {
    expect(await client.ingest([event])).toEqual({ accepted: 1, duplicates: 0 });
    expect(await client.ingest([event])).toEqual({ accepted: 0, duplicates: 1 });
    expect(gatekeeper.events).toEqual([event]);
  });

  it('has an outage when told so', async () => {
    gatekeeper.fail(500);
    await expect(client.ingest([event])).rejects.toMatchObject({ kind: 'unavailable' });
    gatekeeper.fail();
    await expect(client.ingest([event])).resolves.toMatchObject({ accepted: 1 });
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Harness } from './harness.js';

describe('badges', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.close());

  const list = async (ghost: string) => (await harness.get('router', `/badges/${ghost}`)).body as object;
  const eventsOn = (resource: string) => harness.gatekeeper.events.filter((event) => event.resource === resource);

  it('are granted, shown with who granted them, and recorded', async () => {
    const answer = await harness.put('Supervisor', '/badges/Scout/web-search');
    expect([answer.status, answer.body]).toEqual([200, { ghost_id: 'Scout', badge: 'web-search', granted: true }]);
    expect(await list('Scout')).toEqual({
      ghost_id: 'Scout',
      badges: [{ badge: 'web-search', granted_at: expect.any(String), granted_by: 'Supervisor' }],
    });
    expect(await harness.event('badge.grant', { resource: 'guardian/badges/Scout/web-search' })).toMatchObject({
      ghost_id: 'Supervisor',
      result: 'SUCCEEDED',
      entities: [
        { kind: 'agent', id: 'Scout' },
        { kind: 'badge', id: 'web-search' },
      ],
    });
  });

  it('are granted once: who was first stays, and nothing more is recorded', async () => {
    await harness.put('Supervisor', '/badges/Twice/b');
    const again = await harness.put('router', '/badges/Twice/b');
    expect([again.status, again.body]).toEqual([200, { ghost_id: 'Twice', badge: 'b', granted: false }]);
    expect(await list('Twice')).toMatchObject({ badges: [{ granted_by: 'Supervisor' }] });
    await harness.put('router', '/badges/Twice/c');
    await harness.event('badge.grant', { resource: 'guardian/badges/Twice/c' });
    expect(eventsOn('guardian/badges/Twice/b')).toHaveLength(1);
  });

  it('are revoked, and recorded; 404 where there is none', async () => {
    await harness.put('Supervisor', '/badges/Loser/b');
    const answer = await harness.delete('Supervisor', '/badges/Loser/b');
    expect([answer.status, answer.body]).toEqual([200, { ghost_id: 'Loser', badge: 'b', revoked: true }]);
    expect(await list('Loser')).toEqual({ ghost_id: 'Loser', badges: [] });
    expect(await harness.event('badge.revoke', { resource: 'guardian/badges/Loser/b' })).toMatchObject({
      ghost_id: 'Supervisor',
      result: 'SUCCEEDED',
    });
    const again = await harness.delete('Supervisor', '/badges/Loser/b');
    expect([again.status, again.body]).toMatchObject([404, { code: 'badge_not_found' }]);
  });

  it('are changed with the right only', async () => {
    await harness.put('Supervisor', '/badges/Scout/kept');
    for (const answer of [
      await harness.put('Scout', '/badges/Scout/taken'),
      await harness.delete('Scout', '/badges/Scout/kept'),
    ])
      expect([answer.status, answer.body]).toMatchObject([403, { code: 'policy_denied' }]);
    expect(harness.gatekeeper.validations.at(-1)).toMatchObject({ action: 'write', resource: 'guardian/badges/Scout' });
    expect((await harness.put('nobody', '/badges/Scout/taken')).status).toBe(401);
    expect((await harness.delete('nobody', '/badges/Scout/kept')).status).toBe(401);
    const names = await harness.service.database.query(`SELECT badge FROM agent_badges WHERE ghost_id = 'Scout'`);
    expect(names.map(({ badge }) => badge as string)).toEqual(expect.arrayContaining(['kept']));
    expect(names.map(({ badge }) => badge as string)).not.toContain('taken');
  });

  it("are seen by the ghost itself, and another's with the right only", async () => {
    expect((await harness.get('Scout', '/badges/Scout')).status).toBe(200);
    expect((await harness.get('Scout', '/badges/Librarian')).status).toBe(403);
    expect((await harness.get('Supervisor', '/badges/Librarian')).body).toEqual({ ghost_id: 'Librarian', badges: [] });
    expect((await harness.get('nobody', '/badges/Scout')).status).toBe(401);
  });

  it('have names: 400 otherwise', async () => {
    for (const answer of [
      await harness.get('router', `/badges/${'x'.repeat(201)}`),
      await harness.put('router', '/badges/Scout/a%00b'),
      await harness.delete('router', '/badges/Scout/a%0Ab'),
    ])
      expect([answer.status, answer.body]).toMatchObject([400, { code: 'invalid_request' }]);
  });

  it('survive a restart', async () => {
    await harness.put('Supervisor', '/badges/Lasting/b');
    await harness.restart();
    expect(await list('Lasting')).toMatchObject({ badges: [{ badge: 'b', granted_by: 'Supervisor' }] });
  });
});

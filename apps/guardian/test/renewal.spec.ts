import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { waitFor } from '#testing';
import { Clock } from '../src/clock.js';
import { Harness } from './harness.js';

interface Issued {
  serial: string;
  issued_at: string;
  expires_at: string;
  capabilities: string[];
  status: string;
}

describe('the life of a certificate', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterEach(() => {
    jest.restoreAllMocks();
    harness.gatekeeper.allow();
  });
  afterAll(() => harness.close());

  const sql = (text: string, values?: unknown[]) => harness.service.database.query(text, values);
  const issue = async (agent: string, more: object = {}) =>
    (await harness.post('Supervisor', '/certificates', { agent, ttl: '1h', ...more })).body as Issued;
  const renew = (agent: string, body: object = {}) => harness.post('Supervisor', `/certificates/${agent}/renew`, body);
  const validate = (agent: string) => harness.post('router', '/validate', { agent });
  const lengthOf = ({ issued_at, expires_at }: Issued) => (Date.parse(expires_at) - Date.parse(issued_at)) / 1000;
  const setClock = (time: string | number) =>
    jest.spyOn(harness.service.app.get(Clock), 'now').mockReturnValue(new Date(time));

  describe('POST /certificates/:agent/renew', () => {
    it('makes another one of the same length, with the same capabilities, and says so in the trail', async () => {
      const first = await issue('Lasting', { ttl: '90m', capabilities: ['b', 'a'] });
      const answer = await renew('Lasting');
      const second = answer.body as Issued;
      expect([answer.status, second]).toMatchObject([201, { capabilities: ['b', 'a'], status: 'valid' }]);
      expect(second.serial).not.toBe(first.serial);
      expect([lengthOf(second), Date.parse(second.issued_at)]).toEqual([5400, expect.any(Number)]);
      expect(Date.parse(second.issued_at)).toBeGreaterThan(Date.parse(first.issued_at));
      expect((await validate('Lasting')).body).toMatchObject({ expires_at: second.expires_at });
      expect(await harness.event('certificate.renew', { resource: 'guardian/certificates/Lasting' })).toMatchObject({
        ghost_id: 'Supervisor',
        result: 'SUCCEEDED',
        entities: [
          { kind: 'agent', id: 'Lasting' },
          { kind: 'certificate', id: second.serial },
          { kind: 'certificate', id: first.serial },
        ],
        metadata: { capabilities: ['b', 'a'] },
      });
    });

    it('takes another length, and no body at all', async () => {
      await issue('Sized');
      expect(lengthOf((await renew('Sized', { ttl: '2d' })).body as Issued)).toBe(172_800);
      const bare = await harness.call('Supervisor', 'post', '/certificates/Sized/renew');
      expect([bare.status, lengthOf(bare.body as Issued)]).toEqual([201, 172_800]);
      expect((await renew('Sized', { ttl: 0 })).body).toMatchObject({ status: 400, errors: [{ field: 'ttl' }] });
    });

    it('renews one that has expired', async () => {
      const { expires_at } = await issue('Late');
      setClock(Date.parse(expires_at) + 86_400_000);
      expect((await validate('Late')).body).toMatchObject({ code: 'certificate_expired' });
      expect((await renew('Late')).status).toBe(201);
      expect((await validate('Late')).status).toBe(200);
    });

    it('says 404 without one', async () => {
      const answer = await renew('Nobody');
      expect([answer.status, answer.body]).toMatchObject([404, { code: 'certificate_not_found' }]);
    });

    it('says 409 of a revoked one, also where an older one is not; issuing anew goes', async () => {
      await issue('Fallen');
      const { serial } = await issue('Fallen');
      await harness.delete('Supervisor', `/certificates/Fallen?serial=${serial}`);
      const answer = await renew('Fallen');
      expect([answer.status, answer.body]).toMatchObject([409, { code: 'certificate_revoked' }]);
      await issue('Fallen');
      expect((await renew('Fallen')).status).toBe(201);
    });

    it('never puts a good signature on a row that was changed', async () => {
      await issue('Tampered', { capabilities: ['little'] });
      await sql(`UPDATE certificates SET capabilities = '{everything}' WHERE agent = 'Tampered'`);
      const answer = await renew('Tampered');
      expect([answer.status, answer.body]).toMatchObject([409, { code: 'certificate_invalid' }]);
      expect(await sql(`SELECT FROM certificates WHERE agent = 'Tampered'`)).toHaveLength(1);
    });

    it('needs the right, also for oneself', async () => {
      const answer = await harness.post('Scout', '/certificates/Scout/renew', {});
      expect([answer.status, answer.body]).toMatchObject([403, { code: 'policy_denied' }]);
      expect((await harness.post('nobody', '/certificates/Scout/renew', {})).status).toBe(401);
    });
  });

  describe('DELETE /certificates/:agent?serial=', () => {
    it('revokes that one, and no older one stands in for it', async () => {
      const older = await issue('Single');
      const newest = await issue('Single');
      const answer = await harness.delete('Supervisor', `/certificates/Single?serial=${newest.serial}`);
      expect([answer.status, answer.body]).toEqual([200, { agent: 'Single', revoked: 1 }]);
      expect((await validate('Single')).body).toMatchObject({
        status: 403,
        code: 'certificate_revoked',
        detail: "Agent 'Single' lacks a valid certificate",
      });
      const { body } = (await harness.get('router', '/certificates?agent=Single')) as {
        body: { certificates: Issued[] };
      };
      expect(body.certificates).toMatchObject([
        { serial: newest.serial, status: 'revoked' },
        { serial: older.serial, status: 'valid' },
      ]);
      const stats = await harness.get('router', '/stats?agent=Single');
      expect(stats.body).toMatchObject({ stats: { Single: { certification_expires: null } } });
      expect(await harness.event('certificate.revoke', { resource: 'guardian/certificates/Single' })).toMatchObject({
        reason: `certificate ${newest.serial} is revoked`,
        metadata: { revoked: 1 },
      });
    });

    it('of an older one changes nothing for the agent', async () => {
      const older = await issue('History');
      await issue('History');
      expect((await harness.delete('Supervisor', `/certificates/History?serial=${older.serial}`)).status).toBe(200);
      expect((await validate('History')).status).toBe(200);
    });

    it("says 404 of an unknown one, of another agent's and of one that is revoked; 400 of what it does not know", async () => {
      const { serial } = await issue('Owner');
      for (const path of [`Owner?serial=${randomUUID()}`, `Scout?serial=${serial}`])
        expect((await harness.delete('Supervisor', `/certificates/${path}`)).body).toMatchObject({
          status: 404,
          code: 'certificate_not_found',
        });
      for (const query of ['serial=7', 'seril=x', `serial=${serial}&all=true`])
        expect((await harness.delete('Supervisor', `/certificates/Owner?${query}`)).status).toBe(400);
      expect((await validate('Owner')).status).toBe(200);
      expect((await harness.delete('Supervisor', `/certificates/Owner?serial=${serial}`)).status).toBe(200);
      expect((await harness.delete('Supervisor', `/certificates/Owner?serial=${serial}`)).status).toBe(404);
    });
  });

  describe('GET /certificates/:agent/current', () => {
    it('shows the newest as it was signed, whatever has become of it', async () => {
      const made = await issue('Shown', { capabilities: ['x'] });
      const answer = await harness.get('router', '/certificates/Shown/current');
      expect([answer.status, answer.body]).toEqual([200, made]);
      await harness.delete('Supervisor', '/certificates/Shown');
      expect((await harness.get('router', '/certificates/Shown/current')).body).toMatchObject({
        serial: made.serial,
        status: 'revoked',
      });
    });

    it("is an agent's own, another's with the right only; 404 without one", async () => {
      expect((await harness.get('Scout', '/certificates/Scout/current')).status).toBe(200);
      expect((await harness.get('Scout', '/certificates/Librarian/current')).status).toBe(403);
      expect((await harness.get('nobody', '/certificates/Scout/current')).status).toBe(401);
      expect((await harness.get('router', '/certificates/Nobody/current')).status).toBe(404);
    });
  });

  it('ends at the very moment of its expiry, also for an answer that is kept', async () => {
    const { expires_at } = await issue('Fading');
    const time = setClock(Date.parse(expires_at) - 1);
    expect((await validate('Fading')).status).toBe(200);
    time.mockReturnValue(new Date(expires_at));
    expect((await validate('Fading')).body).toMatchObject({
      status: 403,
      code: 'certificate_expired',
      detail: `Certificate for 'Fading' expired on ${expires_at}`,
    });
  });

  describe('when the clocks of instances differ', () => {
    it('by little: what is made last is the newest', async () => {
      const first = await issue('Skewed');
      setClock(Date.parse(first.issued_at) - 5000);
      const second = await issue('Skewed');
      expect(Date.parse(second.issued_at)).toBe(Date.parse(first.issued_at) + 1);
      expect((await harness.get('router', '/certificates/Skewed/current')).body).toMatchObject({
        serial: second.serial,
      });
    });

    it('by much: nothing is issued before somebody looks at it, and revoking is enough', async () => {
      setClock('2125-01-01T00:00:00Z');
      await issue('Future');
      jest.restoreAllMocks();
      const refused = await harness.post('Supervisor', '/certificates', { agent: 'Future', ttl: 60 });
      expect([refused.status, refused.body]).toMatchObject([409, { code: 'certificate_from_the_future' }]);
      await harness.delete('Supervisor', '/certificates/Future');
      await issue('Future');
      expect((await validate('Future')).status).toBe(200);
      expect((await renew('Future')).status).toBe(201);
    });
  });

  describe('capabilities', () => {
    const badge = (name: string) => harness.put('Supervisor', `/badges/Able/${name}`);

    it("are the agent's badges at that time, unless others are given; a renewal keeps them", async () => {
      for (const each of ['web', 'code']) await badge(each);
      expect((await issue('Able')).capabilities).toEqual(['code', 'web']);
      await harness.delete('Supervisor', '/badges/Able/web');
      expect(((await renew('Able')).body as Issued).capabilities).toEqual(['code', 'web']);
      expect((await issue('Able')).capabilities).toEqual(['code']);
      expect((await issue('Able', { capabilities: [] })).capabilities).toEqual([]);
      expect((await issue('Able', { capabilities: ['other'] })).capabilities).toEqual(['other']);
    });

    it('are as many as a certificate holds: 409 for one badge more', async () => {
      await sql(`INSERT INTO agent_badges SELECT 'Full', 'b' || i, now(), 'x' FROM generate_series(1, 63) i`);
      const put = (name: string) => harness.put('Supervisor', `/badges/Full/${name}`);
      const answers = await Promise.all(['x', 'y', 'z'].map(put));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
      expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({ code: 'badge_limit' });
      expect((await put('b1')).status).toBe(200);
      expect((await issue('Full')).capabilities).toHaveLength(64);
    });
  });

  it('GET /badges/:ghost_id/:badge says since when, or 404', async () => {
    await harness.put('Supervisor', '/badges/Scout/known');
    const held = await harness.get('Scout', '/badges/Scout/known');
    expect([held.status, held.body]).toEqual([
      200,
      { ghost_id: 'Scout', badge: 'known', held: true, granted_at: expect.any(String) },
    ]);
    const missing = await harness.get('Scout', '/badges/Scout/unknown');
    expect([missing.status, missing.body]).toMatchObject([404, { code: 'badge_not_found' }]);
    expect((await harness.get('Scout', '/badges/Librarian/known')).status).toBe(403);
    expect((await harness.get('nobody', '/badges/Scout/known')).status).toBe(401);
    await harness.delete('Supervisor', '/badges/Scout/known');
    expect((await harness.get('Scout', '/badges/Scout/known')).status).toBe(404);
  });

  it('is counted: hits and misses of each cache', async () => {
    const hits = 'cache_lookups_total{cache="certificates",result="hit"}';
    // A hint that is late may empty the cache again.
    await waitFor('a hit', async () => {
      await validate('Librarian');
      return (await harness.metric(hits)) > 0 && (await harness.metric('cache_certificates')) > 0;
    });
    expect(await harness.metric('hints_up')).toBe(1);
  });
});

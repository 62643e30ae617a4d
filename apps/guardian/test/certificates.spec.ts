import { createPublicKey, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { Harness } from './harness.js';

describe('certificates', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.close());

  const issue = (agent: string, ttl: number | string = '1h') =>
    harness.post('Supervisor', '/certificates', { agent, ttl });
  const validate = (agent: string) => harness.post('router', '/validate', { agent });
  const rows = (agent: string) =>
    harness.service.database.query(`SELECT * FROM certificates WHERE agent = $1 ORDER BY issued_at, serial`, [agent]);

  describe('POST /certificates', () => {
    it('issues a signed statement that anybody with the public key can check', async () => {
      const answer = await harness.post('Supervisor', '/certificates', {
        agent: 'Signed',
        ttl: '90d',
        capabilities: ['b', 'a'],
      });
      expect([answer.status, answer.body]).toMatchObject([
        201,
        { agent: 'Signed', status: 'valid', revoked_at: null, capabilities: ['b', 'a'], version: 1 },
      ]);
      const { serial, issued_at, expires_at, statement, signature, key_id } = answer.body as Record<string, string>;
      expect(Date.parse(expires_at!) - Date.parse(issued_at!)).toBe(90 * 86_400_000);
      expect(statement).toBe(
        `{"agent":"Signed","capabilities":["b","a"],"expires_at":"${expires_at}","issued_at":"${issued_at}",` +
          `"serial":"${serial}","version":1}`,
      );
      const [key] = await harness.service.database.query<{ public_key: string }>(
        'SELECT public_key FROM signing_keys WHERE key_id = $1',
        [key_id],
      );
      const bytes = Buffer.from(signature!, 'base64url');
      expect(verify(null, Buffer.from(statement!), createPublicKey(key!.public_key), bytes)).toBe(true);
      expect(await rows('Signed')).toMatchObject([{ serial, statement, signature, key_id, revoked_at: null }]);
    });

    it('records who issued which certificate', async () => {
      const { body } = (await issue('Recorded', 60)) as { body: { serial: string } };
      expect(await harness.event('certificate.issue', { resource: 'guardian/certificates/Recorded' })).toMatchObject({
        service: 'guardian',
        ghost_id: 'Supervisor',
        result: 'SUCCEEDED',
        request_id: expect.any(String),
        entities: [
          { kind: 'agent', id: 'Recorded' },
          { kind: 'certificate', id: body.serial },
        ],
      });
    });

    it.each([
      [30, 30],
      ['30s', 30],
      ['15m', 900],
      ['12h', 43_200],
      ['3650d', 315_360_000],
    ])('takes %p as a time to live', async (ttl, seconds) => {
      const { status, body } = (await issue('Timed', ttl)) as { status: number; body: Record<string, string> };
      expect(status).toBe(201);
      expect(Date.parse(body.expires_at!) - Date.parse(body.issued_at!)).toBe(seconds * 1000);
    });

    it.each([[0], [-1], [1.5], ['3651d'], ['1w'], ['soon'], [''], [null], [undefined]])(
      'refuses %p as a time to live, naming the field',
      async (ttl) => {
        const answer = await harness.post('Supervisor', '/certificates', { agent: 'Timed', ttl });
        expect([answer.status, answer.body]).toMatchObject([
          400,
          { code: 'invalid_request', errors: [{ field: 'ttl' }] },
        ]);
      },
    );

    it.each([[''], ['x'.repeat(201)], ['a\nb'], ['\ud800'], [7]])('refuses the agent %p', async (agent) => {
      const answer = await harness.post('Supervisor', '/certificates', { agent, ttl: 60 });
      expect([answer.status, answer.body]).toMatchObject([400, { code: 'invalid_request', param: 'agent' }]);
    });

    it('is for agents with the right only, also where it is about themselves', async () => {
      const answer = await harness.post('Scout', '/certificates', { agent: 'Scout', ttl: '10d' });
      expect([answer.status, answer.body]).toMatchObject([403, { code: 'policy_denied' }]);
      expect(harness.gatekeeper.validations.at(-1)).toMatchObject({
        ghost_id: 'Scout',
        action: 'write',
        resource: 'guardian/certificates/Scout',
      });
      expect((await harness.post('nobody', '/certificates', { agent: 'Scout', ttl: 60 })).status).toBe(401);
      expect(await rows('Scout')).toHaveLength(1);
    });
  });

  describe('POST /validate', () => {
    it('says until when', async () => {
      const { body: made } = (await issue('Certified')) as { body: Record<string, string> };
      const answer = await validate('Certified');
      expect([answer.status, answer.body]).toEqual([
        200,
        { valid: true, agent: 'Certified', issued_at: made.issued_at, expires_at: made.expires_at },
      ]);
    });

    it('may be asked by any agent about any other', async () => {
      expect((await harness.post('Scout', '/validate', { agent: 'Librarian' })).status).toBe(200);
    });

    it('refuses an agent without a certificate, and records it', async () => {
      const answer = await validate('Stranger');
      expect([answer.status, answer.headers['content-type'], answer.body]).toMatchObject([
        403,
        'application/problem+json; charset=utf-8',
        { detail: "Agent 'Stranger' lacks a valid certificate", code: 'certificate_missing' },
      ]);
      const { audit_id: id } = answer.body as { audit_id: string };
      expect(await harness.event('certificate.validate', { id })).toMatchObject({
        ghost_id: 'Stranger',
        result: 'DENIED',
        reason: "Agent 'Stranger' lacks a valid certificate",
        entities: [{ kind: 'agent', id: 'Stranger' }],
        metadata: { by: 'service:router' },
      });
    });

    it('refuses an expired certificate with the time, although an older one would still hold', async () => {
      await issue('Fading', '1h');
      const { body: made } = (await issue('Fading', 1)) as { body: Record<string, string> };
      const answer = await waitFor('the certificate to expire', async () => {
        const asked = await validate('Fading');
        return asked.status === 403 && asked;
      });
      expect(answer.body).toMatchObject({
        detail: `Certificate for 'Fading' expired on ${made.expires_at}`,
        code: 'certificate_expired',
      });
    });

    it('answers 400 and 401 as documented', async () => {
      expect((await harness.post('router', '/validate', {})).body).toMatchObject({
        status: 400,
        errors: [{ field: 'agent' }],
      });
      expect((await harness.post('nobody', '/validate', { agent: 'Scout' })).body).toMatchObject({
        status: 401,
        detail: 'Missing Authorization header',
      });
    });

    it('counts by result', async () => {
      const valid = 'validations_total{result="valid"}';
      const missing = 'validations_total{result="missing"}';
      const before = [await harness.metric(valid), await harness.metric(missing)];
      await validate('Librarian');
      await validate('Stranger');
      expect([await harness.metric(valid), await harness.metric(missing)]).toEqual(before.map((count) => count + 1));
    });
  });

  describe('DELETE /certificates/:agent', () => {
    it('revokes all, so that no older one comes back to life', async () => {
      for (let i = 0; i < 3; i++) await issue('Fallen');
      const answer = await harness.delete('Supervisor', '/certificates/Fallen');
      expect([answer.status, answer.body]).toEqual([200, { agent: 'Fallen', revoked: 3 }]);
      expect((await validate('Fallen')).body).toMatchObject({
        status: 403,
        detail: "Agent 'Fallen' lacks a valid certificate",
      });
      const event = await harness.event('certificate.revoke', { resource: 'guardian/certificates/Fallen' });
      const serials = (await rows('Fallen')).map(({ serial }) => ({ kind: 'certificate', id: serial as string }));
      expect(event).toMatchObject({ ghost_id: 'Supervisor', result: 'SUCCEEDED', metadata: { revoked: 3 } });
      expect(new Set(event.entities.map(({ id }) => id))).toEqual(new Set(['Fallen', ...serials.map(({ id }) => id)]));

      await issue('Fallen');
      expect((await validate('Fallen')).status).toBe(200);
    });

    it('says 404 where there is nothing to revoke', async () => {
      const answer = await harness.delete('Supervisor', '/certificates/Stranger');
      expect([answer.status, answer.body]).toMatchObject([404, { code: 'certificate_not_found' }]);
    });

    it('needs the right, and changes nothing without', async () => {
      expect((await harness.delete('Scout', '/certificates/Librarian')).status).toBe(403);
      expect((await harness.delete('nobody', '/certificates/Librarian')).status).toBe(401);
      expect(await rows('Librarian')).toMatchObject([{ revoked_at: null }]);
    });
  });

  describe('GET /certificates', () => {
    const list = async (path: string, caller: 'router' | 'Scout' = 'router') => {
      const answer = await harness.get(caller, path);
      return {
        status: answer.status,
        ...(answer.body as { certificates: { agent: string; status: string }[]; total: number }),
      };
    };

    it('lists newest first, within the limit, and counts all', async () => {
      const serials: unknown[] = [];
      for (let i = 0; i < 3; i++) serials.unshift(((await issue('Listed')).body as { serial: string }).serial);
      const answer = await list('/certificates?agent=Listed&limit=2');
      expect(answer).toMatchObject({ status: 200, total: 3 });
      expect(answer.certificates).toMatchObject([{ serial: serials[0] }, { serial: serials[1] }]);
      expect(Object.keys(answer.certificates[0]!).sort()).toEqual(
        ['agent', 'capabilities', 'expires_at', 'issued_at', 'revoked_at', 'serial', 'status'].sort(),
      );
      const all = await list('/certificates?limit=1000');
      expect(all.certificates[0]).toMatchObject({ serial: serials[0] });
      expect(all.total).toBe(all.certificates.length);
    });

    it('tells the valid from the expired and the revoked', async () => {
      await issue('Varied');
      await harness.delete('Supervisor', '/certificates/Varied');
      await issue('Varied', 1);
      await waitFor('one to expire', async () => (await validate('Varied')).status === 403);
      await issue('Varied');
      const { certificates } = await list('/certificates?agent=Varied');
      expect(certificates.map(({ status }) => status)).toEqual(['valid', 'expired', 'revoked']);
    });

    it.each(['limit=0', 'limit=1001', 'limit=x', 'agent='])('refuses ?%s', async (query) => {
      expect((await list(`/certificates?${query}`)).status).toBe(400);
    });

    it("shows an agent its own, and another's only with the right", async () => {
      const own = await list('/certificates', 'Scout');
      expect(own.certificates.map(({ agent }) => agent)).toEqual(['Scout']);
      expect((await list('/certificates?agent=Scout', 'Scout')).status).toBe(200);
      expect((await list('/certificates?agent=Listed', 'Scout')).status).toBe(403);
      harness.gatekeeper.allow(({ action, resource }) => action === 'read' && resource === 'guardian/certificates');
      expect((await list('/certificates', 'Scout')).total).toBeGreaterThan(1);
      harness.gatekeeper.allow(
        ({ action, resource }) => `${action} ${resource}` === 'read guardian/certificates/Listed',
      );
      expect((await list('/certificates?agent=Listed', 'Scout')).total).toBe(3);
      harness.gatekeeper.allow();
    });
  });
});

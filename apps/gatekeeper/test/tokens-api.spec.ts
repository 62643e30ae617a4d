import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import request from 'supertest';
import { AuditLogger } from '#audit';
import { agentToken, serviceToken, startService, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

describe('POST /v1/tokens/introspect', () => {
  let service: TestService;
  let identityProvider: Server;
  let privateKey: CryptoKey;
  beforeAll(async () => {
    const pair = await generateKeyPair('ES256');
    privateKey = pair.privateKey;
    const keys = [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' }];
    identityProvider = createServer((_request, response) => response.end(JSON.stringify({ keys })));
    await new Promise<void>((resolve) => identityProvider.listen(0, '127.0.0.1', resolve));
    const { port } = identityProvider.address() as AddressInfo;
    service = await startService('gatekeeper', gatekeeper, {
      environment: { GATEKEEPER_JWKS_URL: `http://127.0.0.1:${port}/jwks`, GATEKEEPER_JWT_ISSUER: 'https://idp' },
    });
  });
  afterAll(async () => {
    await service.close();
    await new Promise((resolve) => identityProvider.close(resolve));
  });

  const introspect = async (token: string, caller?: string) =>
    request(service.url)
      .post('/v1/tokens/introspect')
      .set('authorization', `Bearer ${caller ?? (await serviceToken('lobby', 'gatekeeper'))}`)
      .send({ token });
  const sign = (issuer: string, expiry = '1h') =>
    new SignJWT({ groups: ['readers'], tid: 'acme' })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setSubject('Scout')
      .setIssuer(issuer)
      .setExpirationTime(expiry)
      .sign(privateKey);

  it("verifies a token of the identity provider's", async () => {
    const answer = await introspect(await sign('https://idp'));
    expect(answer.body).toMatchObject({
      active: true,
      sub: 'Scout',
      groups: ['scout', 'readers'],
      tenant_id: 'acme',
    });
  });

  it.each([
    ['another issuer', () => sign('https://elsewhere')],
    ['a token that has expired', () => sign('https://idp', '-1m')],
    ['a token without the issuer that is configured', () => agentToken('Scout')],
    ['nonsense', () => Promise.resolve('nonsense')],
  ])('says of %s only that it is not active', async (_name, make) => {
    expect((await introspect(await make())).body).toEqual({ active: false });
  });

  it('records a token that is no good, with what is wrong with it', async () => {
    const { headers } = await introspect(await sign('https://elsewhere'));
    await service.app.get(AuditLogger).flush();
    const rows = await service.database.query(
      'SELECT action, resource, result, reason FROM audit_log WHERE request_id = $1',
      [headers['x-request-id']],
    );
    const reason = 'Invalid or expired token (unexpected "iss" claim value)';
    expect(rows).toEqual([{ action: 'authenticate', resource: 'services/lobby', result: 'UNAUTHENTICATED', reason }]);
  });

  it('answers services only', async () => {
    expect((await introspect('x', await sign('https://idp'))).status).toBe(403);
  });
});

import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { agentToken, serviceToken, waitFor } from '#testing';
import { startControlPlane, type ControlPlane } from '../support/control-plane.js';

describe('when nobody can tell whether an agent is certified', () => {
  let plane: ControlPlane;
  beforeAll(async () => {
    plane = await startControlPlane();
  });
  afterAll(() => plane.close());

  const chat = async (requestId: string) =>
    request(plane.router.url)
      .post('/v1/chat/completions')
      .set({ authorization: `Bearer ${await agentToken('Scout')}`, 'x-request-id': requestId })
      .send({ model: 'echo', messages: [{ role: 'user', content: 'Where is the map?' }] });
  const validate = async (agent: string) =>
    request(plane.guardian.url)
      .post('/validate')
      .set({ authorization: `Bearer ${await serviceToken('router', 'guardian')}` })
      .send({ agent });
  const answersAgain = (requestId: string) =>
    waitFor('an answer', async () => (await chat(requestId)).status === 200, 20_000);

  /** 503 and the code; and no model was called, whatever was meant to be. */
  const refusesFor = async (code: string, requestId: string) => {
    const answer = await chat(requestId);
    expect([answer.status, answer.body]).toMatchObject([503, { code }]);
    const trail = await plane.trailOf(requestId, 1);
    expect(trail.map(({ action, result }) => `${action} ${result}`)).not.toContain('inference SUCCEEDED');
  };

  it('because its database is down: 503 everywhere, and an answer when it is back', async () => {
    await answersAgain('before');
    const { name, query } = plane.guardian.database;
    await query(`ALTER ROLE ${name} NOLOGIN`);
    await query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [name]);
    try {
      await refusesFor('guardian_unavailable', 'no-database');
      await waitFor('nothing to be kept any more', async () => (await validate('Scout')).status !== 200);
      for (const agent of ['Scout', 'Stranger']) {
        const answer = await validate(agent);
        expect([answer.status, answer.body]).toMatchObject([503, { code: 'database_unavailable' }]);
      }
      expect((await request(plane.guardian.url).get('/health')).status).toBe(503);
    } finally {
      await query(`ALTER ROLE ${name} LOGIN`);
    }
    await answersAgain('database-back');
    expect((await validate('Stranger')).status).toBe(403);
  });

  it('because the guardian is down: 503, never a refusal, and an answer when it is back', async () => {
    const server = plane.guardian.app.getHttpServer();
    const { port } = new URL(plane.guardian.url);
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    try {
      await refusesFor('guardian_unavailable', 'no-guardian');
    } finally {
      server.listen(Number(port), '127.0.0.1');
      await once(server, 'listening');
    }
    await answersAgain('guardian-back');
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Harness } from './harness.js';

describe('while the database takes no connections', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
    const { name, query } = harness.service.database;
    await query(`ALTER ROLE ${name} CONNECTION LIMIT 0`);
    await query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [name]);
  });
  afterAll(() => harness.close());

  it.each([
    ['post', '/validate', { agent: 'Scout' }],
    ['post', '/session/start', { agent: 'Scout', session_id: 's' }],
    ['post', '/session/end', { session_id: 's' }],
    ['get', '/stats', undefined],
    ['get', '/certificates', undefined],
    ['get', '/badges/Scout', undefined],
    ['put', '/badges/Scout/b', undefined],
  ] as const)('%s %s is a 503, never a no', async (method, path, body) => {
    const answer = await harness.call('router', method, path, body);
    expect([answer.status, answer.body]).toMatchObject([503, { code: 'database_unavailable' }]);
  });

  it('the service is unhealthy, and goes on when the database is back', async () => {
    const health = await harness.get('nobody', '/health');
    expect([health.status, health.body]).toMatchObject([503, { status: 'unhealthy', database: false }]);
    await harness.service.database.query(`ALTER ROLE ${harness.service.database.name} CONNECTION LIMIT -1`);
    expect((await harness.post('router', '/validate', { agent: 'Scout' })).status).toBe(200);
  });
});

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Clock } from '../src/clock.js';
import { FreshCaches } from '../src/fresh/fresh-caches.js';
import { Harness } from './harness.js';

describe('when the database goes away', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.close());

  it('a yes that was read before holds for less than a second, and then nobody can tell', async () => {
    const validate = () => harness.post('router', '/validate', { agent: 'Scout' });
    const clock = harness.service.app.get(Clock);
    // Hints of what the start has changed may still arrive; this is about age alone.
    const hints = jest.spyOn(harness.service.app.get(FreshCaches), 'forget').mockReturnValue(undefined);
    let elapsed = 0;
    const time = jest.spyOn(clock, 'elapsed').mockImplementation(() => elapsed);
    expect((await validate()).status).toBe(200);
    await harness.breakDatabase();
    elapsed = 999;
    expect((await validate()).status).toBe(200);
    elapsed = 1000;
    const answer = await validate();
    expect([answer.status, answer.body]).toMatchObject([503, { code: 'database_unavailable' }]);
    time.mockRestore();
    hints.mockRestore();
    await harness.mendDatabase();
    expect((await validate()).status).toBe(200);
    expect((await harness.post('router', '/validate', { agent: 'Stranger' })).status).toBe(403);
  });
});

describe('while the database takes no connections', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
    const { name, query } = harness.service.database;
    await query(`ALTER ROLE ${name} CONNECTION LIMIT 0`);
    await query('SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE usename = $1', [name]);
  });
  afterAll(() => harness.close());

  it.each([
    ['post', '/validate', { agent: 'Scout' }],
    ['post', '/session/start', { agent: 'Scout', session_id: 's' }],
    ['post', '/session/end', { session_id: 's' }],
    ['post', '/session/heartbeat', { session_id: 's' }],
    ['get', '/stats', undefined],
    ['get', '/certificates', undefined],
    ['get', '/badges/Scout', undefined],
    ['put', '/badges/Scout/b', undefined],
    ['get', '/badges/Scout/b', undefined],
    ['get', '/certificates/Scout/current', undefined],
    ['post', '/certificates', { agent: 'Scout', ttl: 60 }],
    ['post', '/certificates/Scout/renew', {}],
    ['delete', '/certificates/Scout', undefined],
    ['get', '/signing-keys', undefined],
    ['post', '/signing-keys/rotate', {}],
    ['post', `/signing-keys/${'0'.repeat(64)}/revoke`, {}],
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

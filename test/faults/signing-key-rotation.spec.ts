import { spawn, type ChildProcess } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { findFreePort } from '#embedded-postgres';
import { createTestDatabase, serviceToken, startService, TEST_SERVICE_KEY, waitFor, type TestDatabase } from '#testing';
import { guardian } from '../../apps/guardian/src/app.module.js';

/** How long after the first rotation was asked for the process is killed. Milliseconds. */
const KILLED_AFTER = [3, 8, 13, 20, 35];
const START_TIMEOUT_MS = 20_000;

interface Key {
  key_id: string;
  public_key: string;
  retired_at: string | null;
  current: boolean;
}

/** A guardian as a process of its own, on a home and a database that outlive it. */
describe('a guardian that is killed while it replaces its signing key', () => {
  let home: string;
  let database: TestDatabase;
  let environment: Record<string, string>;
  let running: ChildProcess | undefined;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'gravitas-rotation-'));
    database = await createTestDatabase('guardian');
    environment = {
      GRAVITAS_HOME: home,
      GUARDIAN_PORT: String(await findFreePort()),
      GUARDIAN_DATABASE_URL: database.runtimeUrl,
      GUARDIAN_MIGRATION_URL: database.ownerUrl,
      // Nobody is there: what is recorded waits in the spool.
      GATEKEEPER_URL: `http://127.0.0.1:${await findFreePort()}`,
      SERVICE_KEY: TEST_SERVICE_KEY,
      LOG_LEVEL: 'silent',
    };
  });
  afterEach(async () => {
    running?.kill('SIGKILL');
    await database.drop();
    await rm(home, { recursive: true, force: true });
  });

  const url = () => `http://127.0.0.1:${environment.GUARDIAN_PORT}`;
  const call = async (method: 'get' | 'post', path: string, body?: object) => {
    const agent = request(url());
    const asked = agent[method](path).set('authorization', `Bearer ${await serviceToken('router', 'guardian')}`);
    return body === undefined ? asked : asked.send(body);
  };
  const start = async () => {
    const { PATH, HOME, TMPDIR } = process.env;
    const main = join(process.cwd(), 'dist/apps/guardian/src/main.js');
    const child = spawn(process.execPath, [main], { env: { PATH, HOME, TMPDIR, ...environment }, stdio: 'ignore' });
    running = child;
    const healthy = () =>
      request(url())
        .get('/health/live')
        .then(
          ({ status }) => status === 200,
          () => false,
        );
    await waitFor('the guardian', healthy, START_TIMEOUT_MS);
    return child;
  };

  it('signs on after each kill, with one key, and all that was ever signed verifies', async () => {
    for (const [life, delay] of KILLED_AFTER.entries()) {
      const child = await start();
      const asked = [
        ...Array.from({ length: 3 }, () => call('post', '/signing-keys/rotate')),
        ...Array.from({ length: 6 }, (_, i) => call('post', '/certificates', { agent: `A${life}-${i}`, ttl: '1h' })),
      ];
      const answers = Promise.allSettled(asked);
      await sleep(delay);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await answers;
    }

    const service = await startService('guardian', guardian, { database, environment });
    try {
      const issued = await call('post', '/certificates', { agent: 'Last', ttl: '1h' });
      expect(issued.status).toBe(201);
      const { keys } = (await call('get', '/signing-keys?limit=1000')).body as { keys: Key[] };
      const inUse = keys.filter(({ retired_at }) => retired_at === null);
      expect(inUse).toMatchObject([{ key_id: (issued.body as { key_id: string }).key_id, current: true }]);

      const rows = await database.query<{ agent: string; statement: string; signature: string; key_id: string }>(
        'SELECT agent, statement, signature, key_id FROM certificates',
      );
      for (const { statement, signature, key_id: id } of rows) {
        const key = createPublicKey(keys.find((each) => each.key_id === id)!.public_key);
        expect(verify(null, Buffer.from(statement), key, Buffer.from(signature, 'base64url'))).toBe(true);
      }
      for (const agent of new Set(rows.map((row) => row.agent)))
        expect((await call('post', '/validate', { agent })).status).toBe(200);

      await call('post', '/signing-keys/rotate');
      expect(await readdir(join(home, 'keys'))).toEqual(['guardian-signing-key.pem']);
    } finally {
      await service.stop();
    }
  });
});

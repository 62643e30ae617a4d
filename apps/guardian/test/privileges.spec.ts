import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { startService, type TestService } from '#testing';
import { guardian } from '../src/app.module.js';

describe("the guardian's own role", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService('guardian', guardian);
  });
  afterAll(async () => {
    await service.close();
  });

  const asRuntime = async (work: (runtime: pg.Client) => Promise<void>) => {
    const runtime = new pg.Client({ connectionString: service.database.runtimeUrl });
    await runtime.connect();
    try {
      await work(runtime);
    } finally {
      await runtime.end();
    }
  };

  it.each(['signing_keys', 'certificates', 'agent_badges', 'agent_sessions'])(
    'lets the runtime role read and fill %s, but not change it',
    (table) =>
      asRuntime(async (runtime) => {
        await runtime.query(`SELECT * FROM ${table}`);
        for (const sql of [
          `TRUNCATE ${table}`,
          `DROP TABLE ${table}`,
          `ALTER TABLE ${table} ADD COLUMN x int`,
          'CREATE TABLE x ()',
        ])
          await expect(runtime.query(sql)).rejects.toMatchObject({ code: '42501' });
      }),
  );

  it.each([
    'DELETE FROM certificates',
    `UPDATE certificates SET expires_at = now()`,
    `UPDATE certificates SET statement = ''`,
    'DELETE FROM signing_keys',
    `UPDATE signing_keys SET public_key = ''`,
    `ALTER TABLE certificates DISABLE TRIGGER certificates_hint`,
    'DELETE FROM agent_sessions',
    `UPDATE agent_sessions SET agent = ''`,
    `UPDATE agent_badges SET granted_by = ''`,
  ])('refuses the runtime role: %s', (sql) =>
    asRuntime(async (runtime) => {
      await expect(runtime.query(sql)).rejects.toMatchObject({ code: '42501' });
    }),
  );
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import pg from 'pg';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '#database';
import { startService, type TestService } from '#testing';
import { migrations } from '../migrations/index.js';
import { guardian } from '../src/app.module.js';
import { entities } from '../src/entities.js';

describe("guardian's schema and description", () => {
  let service: TestService;
  let owner: DataSource;
  beforeAll(async () => {
    service = await startService('guardian', guardian);
    const { ownerUrl: url, name: runtimeRole } = service.database;
    owner = await new DataSource(
      dataSourceOptions({ service: 'guardian', url, runtimeRole, entities, migrations }),
    ).initialize();
  });
  afterAll(async () => {
    await owner.destroy();
    await service.close();
  });

  const tables = async () =>
    (
      await service.database.query<{ t: string }>(
        `SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
      )
    )
      .map(({ t }) => t)
      .filter((t) => t !== 'migrations');

  it('has entities that say the same as the migrations', async () => {
    const { upQueries } = await owner.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('goes down to nothing and up again', async () => {
    for (const _ of migrations) await owner.undoLastMigration();
    expect(await tables()).toEqual([]);
    await owner.runMigrations();
    expect(await tables()).toEqual(['agent_badges', 'agent_sessions', 'certificates', 'signing_keys']);
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
    'DELETE FROM agent_sessions',
    `UPDATE agent_sessions SET agent = ''`,
    `UPDATE agent_badges SET granted_by = ''`,
  ])('refuses the runtime role: %s', (sql) =>
    asRuntime(async (runtime) => {
      await expect(runtime.query(sql)).rejects.toMatchObject({ code: '42501' });
    }),
  );

  it('describes every endpoint in a valid OpenAPI document', async () => {
    const { body } = (await request(service.url).get('/docs/json')) as { body: { paths: Record<string, object> } };
    expect(await new Validator().validate(structuredClone(body))).toMatchObject({ valid: true });
    expect(
      Object.keys(body.paths)
        .filter((path) => !path.startsWith('/health'))
        .sort(),
    ).toEqual([
      '/badges/{ghost_id}',
      '/badges/{ghost_id}/{badge}',
      '/certificates',
      '/certificates/{agent}',
      '/session/end',
      '/session/start',
      '/stats',
      '/validate',
    ]);
  });
});

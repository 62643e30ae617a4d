import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import pg from 'pg';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '#database';
import { startService, type TestService } from '#testing';
import { migrations } from '../migrations/index.js';
import { lobby } from '../src/app.module.js';
import { entities } from '../src/entities.js';

describe("lobby's schema and description", () => {
  let service: TestService;
  let owner: DataSource;
  beforeAll(async () => {
    service = await startService('lobby', lobby);
    const { ownerUrl: url, name: runtimeRole } = service.database;
    owner = await new DataSource(
      dataSourceOptions({ service: 'lobby', url, runtimeRole, entities, migrations }),
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
    expect(await tables()).toEqual(['history']);
  });

  it.each(['history'])('lets the runtime role work on %s, but not change it', async (table) => {
    const runtime = new pg.Client({ connectionString: service.database.runtimeUrl });
    await runtime.connect();
    try {
      await runtime.query(`DELETE FROM ${table}`);
      await runtime.query(`SELECT * FROM ${table}`);
      for (const sql of [
        `TRUNCATE ${table}`,
        `DROP TABLE ${table}`,
        `ALTER TABLE ${table} ADD COLUMN x int`,
        'CREATE TABLE x ()',
      ])
        await expect(runtime.query(sql)).rejects.toMatchObject({ code: '42501' });
    } finally {
      await runtime.end();
    }
  });

  it('describes every endpoint in a valid OpenAPI document', async () => {
    const { body } = (await request(service.url).get('/docs/json')) as { body: { paths: Record<string, object> } };
    expect(await new Validator().validate(structuredClone(body))).toMatchObject({ valid: true });
    expect(Object.keys(body.paths).sort()).toEqual([
      '/',
      '/health',
      '/health/detailed',
      '/health/live',
      '/health/ready',
      '/health/stream',
      '/v1/chat/completions',
      '/v1/history',
      '/v1/models',
      '/v1/registry/models',
    ]);
  });

  it('says where to go from here, and that it is healthy, to anybody', async () => {
    const root = await request(service.url).get('/');
    expect([root.status, root.body]).toEqual([200, { service: 'lobby', docs: '/docs', health: '/health/detailed' }]);
    const health = await request(service.url).get('/health');
    expect([health.status, health.body]).toMatchObject([200, { status: 'healthy', service: 'lobby', database: true }]);
  });
});

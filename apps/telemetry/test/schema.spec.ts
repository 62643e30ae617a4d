import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import pg from 'pg';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '#database';
import { startService, type TestService } from '#testing';
import { migrations } from '../migrations/index.js';
import { telemetry } from '../src/app.module.js';
import { entities } from '../src/entities.js';

describe("telemetry's schema and description", () => {
  let service: TestService;
  let owner: DataSource;
  beforeAll(async () => {
    service = await startService('telemetry', telemetry);
    const { ownerUrl: url, name: runtimeRole } = service.database;
    owner = await new DataSource(
      dataSourceOptions({ service: 'telemetry', url, runtimeRole, entities, migrations }),
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
    expect(await tables()).toEqual(['system_telemetry', 'usage_stats']);
  });

  it.each(['system_telemetry', 'usage_stats'])('lets the runtime role work on %s, but not change it', async (table) => {
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
    expect(
      Object.keys(body.paths)
        .filter((path) => path.startsWith('/v1'))
        .sort(),
    ).toEqual([
      '/v1/telemetry/batch',
      '/v1/telemetry/events',
      '/v1/telemetry/log',
      '/v1/telemetry/stats',
      '/v1/usage',
      '/v1/usage/summary',
    ]);
  });

  it('is healthy, with its buffer', async () => {
    const answer = await request(service.url).get('/health');
    expect([answer.status, answer.body]).toMatchObject([
      200,
      { status: 'healthy', service: 'telemetry', database: true, buffer: { size: 0 } },
    ]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '#database';
import { migrations } from '../migrations/index.js';
import { entities } from '../src/entities.js';
import { startRouter, type TestRouter } from './harness.js';

describe("the router's schema and description", () => {
  let router: TestRouter;
  let owner: DataSource;
  let runtime: pg.Client;
  beforeAll(async () => {
    router = await startRouter();
    const { ownerUrl: url, runtimeUrl, name: runtimeRole } = router.service.database;
    owner = await new DataSource(
      dataSourceOptions({ service: 'router', url, runtimeRole, entities, migrations }),
    ).initialize();
    runtime = new pg.Client({ connectionString: runtimeUrl });
    await runtime.connect();
  });
  afterAll(async () => {
    await runtime.end();
    await owner.destroy();
    await router.close();
  });

  const tables = async () => {
    const rows = await router.service.database.query<{ t: string }>(
      `SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations' ORDER BY 1`,
    );
    return rows.map(({ t }) => t);
  };

  it('has entities that say the same as the migrations', async () => {
    const { upQueries } = await owner.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('goes down to nothing and up again', async () => {
    for (const _ of migrations) await owner.undoLastMigration();
    expect(await tables()).toEqual([]);
    await owner.runMigrations();
    expect(await tables()).toEqual(['ghosts', 'routing_decisions', 'shells']);
  });

  it.each([
    ['delete a shell', 'DELETE FROM shells'],
    ['delete a ghost', 'DELETE FROM ghosts'],
    ['rewrite a decision', `UPDATE routing_decisions SET outcome = 'failed'`],
    ['delete a decision', 'DELETE FROM routing_decisions'],
    ['truncate', 'TRUNCATE routing_decisions'],
    ['alter a table', 'ALTER TABLE shells ADD COLUMN x int'],
    ['create a table', 'CREATE TABLE mine (x int)'],
  ])('does not let the runtime role %s', async (_name, sql) => {
    await expect(runtime.query(sql)).rejects.toMatchObject({ code: '42501' });
  });

  it.each(['shells', 'ghosts', 'routing_decisions'])('lets the runtime role read %s', async (table) => {
    expect((await runtime.query(`SELECT * FROM ${table}`)).rows).toEqual([]);
  });

  it('describes every endpoint in a valid OpenAPI document', async () => {
    const response = await fetch(`${router.service.url}/docs/json`);
    const document = (await response.json()) as { paths: Record<string, Record<string, { responses: object }>> };
    expect(await new Validator().validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(Object.keys(document.paths).filter((path) => path.startsWith('/v1'))).toEqual([
      '/v1/chat/completions',
      '/v1/models',
      '/v1/registry/models',
      '/v1/registry/reload',
    ]);
    const { responses } = document.paths['/v1/chat/completions']!['post']!;
    expect(Object.keys(responses)).toEqual(['200', '400', '401', '403', '404', '413', '429', '502', '503']);
    expect(responses).toMatchObject({ 200: { content: { 'application/json': {}, 'text/event-stream': {} } } });
  });

  it('is healthy, with its registry, its providers and its audit queue', async () => {
    const response = await fetch(`${router.service.url}/health`);
    expect(await response.json()).toMatchObject({
      status: 'healthy',
      service: 'router',
      database: true,
      registry: { models: 8, ghosts: 3 },
      providers: { ollama: true, openai: false, builtin: true },
      audit: { dropped: 0 },
    });
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { waitFor } from '#testing';
import { startRouter, type TestRouter } from './harness.js';

describe("the router's own role, and what it says of itself", () => {
  let router: TestRouter;
  let runtime: pg.Client;
  beforeAll(async () => {
    router = await startRouter();
    runtime = new pg.Client({ connectionString: router.service.database.runtimeUrl });
    await runtime.connect();
  });
  afterAll(async () => {
    await runtime.end();
    await router.close();
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

  it('lets the runtime role read what it keeps', async () => {
    for (const [table, rows] of Object.entries({ shells: 8, ghosts: 3, routing_decisions: 0 }))
      expect((await runtime.query(`SELECT * FROM ${table}`)).rowCount).toBe(rows);
  });

  it('documents every status of a completion, and both forms of its answer', async () => {
    const response = await fetch(`${router.service.url}/docs/json`);
    const document = (await response.json()) as { paths: Record<string, Record<string, { responses: object }>> };
    const { responses } = document.paths['/v1/chat/completions']!['post']!;
    expect(Object.keys(responses)).toEqual(['200', '400', '401', '403', '404', '413', '429', '502', '503']);
    expect(responses).toMatchObject({ 200: { content: { 'application/json': {}, 'text/event-stream': {} } } });
  });

  it('is healthy, with its registry, its providers and its audit queue', async () => {
    const health = await waitFor('the database to answer in time', async () => {
      const response = await fetch(`${router.service.url}/health`);
      return response.ok && response.json();
    });
    expect(health).toMatchObject({
      status: 'healthy',
      service: 'router',
      database: true,
      registry: { models: 8, ghosts: 3 },
      providers: { ollama: true, openai: false, builtin: true },
      audit: { dropped: 0 },
    });
  });
});

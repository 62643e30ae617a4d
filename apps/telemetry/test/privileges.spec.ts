import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import request from 'supertest';
import { startService, waitFor, type TestService } from '#testing';
import { telemetry } from '../src/app.module.js';

describe("telemetry's own role", () => {
  let service: TestService;
  let runtime: pg.Client;
  beforeAll(async () => {
    service = await startService('telemetry', telemetry);
    runtime = new pg.Client({ connectionString: service.database.runtimeUrl });
    await runtime.connect();
  });
  afterAll(async () => {
    await runtime.end();
    await service.close();
  });

  it.each(['system_telemetry', 'usage_stats'])('can work on %s, but not change it', async (table) => {
    await runtime.query(`SELECT * FROM ${table}`);
    await runtime.query(`DELETE FROM ${table}`);
    for (const sql of [
      `TRUNCATE ${table}`,
      `DROP TABLE ${table}`,
      `ALTER TABLE ${table} ADD COLUMN x int`,
      'CREATE TABLE x ()',
    ])
      await expect(runtime.query(sql)).rejects.toMatchObject({ code: '42501' });
  });

  it('fills a buffer that health shows', async () => {
    const health = await waitFor('the database to answer in time', async () => {
      const answer = await request(service.url).get('/health');
      return answer.status === 200 && answer;
    });
    expect(health.body).toMatchObject({ buffer: { size: 0 } });
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import request from 'supertest';
import { startService, type TestService } from '#testing';
import { lobby } from '../src/app.module.js';

describe("the lobby's own role", () => {
  let service: TestService;
  let runtime: pg.Client;
  beforeAll(async () => {
    service = await startService('lobby', lobby);
    runtime = new pg.Client({ connectionString: service.database.runtimeUrl });
    await runtime.connect();
  });
  afterAll(async () => {
    await runtime.end();
    await service.close();
  });

  it('can read and clear history', async () => {
    await runtime.query('SELECT * FROM history');
    await runtime.query('DELETE FROM history');
  });

  it.each(['TRUNCATE history', 'DROP TABLE history', 'ALTER TABLE history ADD COLUMN x int', 'CREATE TABLE x ()'])(
    'is refused: %s',
    async (sql) => {
      await expect(runtime.query(sql)).rejects.toMatchObject({ code: '42501' });
    },
  );

  it('is behind a front page that says where to go from here', async () => {
    const root = await request(service.url).get('/').expect(200);
    expect(root.body).toEqual({ service: 'lobby', docs: '/docs', health: '/health/detailed' });
  });
});

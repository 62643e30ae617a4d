import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { startService, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

describe('audit_log', () => {
  let service: TestService;
  let runtime: pg.Client;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
    runtime = new pg.Client({ connectionString: service.database.runtimeUrl });
    await runtime.connect();
  });
  afterAll(async () => {
    await runtime.end();
    await service.close();
  });

  it('has a partition for last month, this month and the three ahead, with UTC bounds, and no default one', async () => {
    const partitions = await service.database.query<{ name: string; bound: string }>(`
      SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'audit_log'::regclass ORDER BY 1`);
    const now = new Date();
    const month = (offset: number) =>
      new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset)).toISOString();
    expect(partitions.map(({ name }) => name)).toEqual(
      [-1, 0, 1, 2, 3].map((offset) => `audit_log_${month(offset).slice(0, 7).replace('-', '_')}`),
    );
    expect(partitions[1]!.bound).toContain(`'${month(0).slice(0, 10)} 00:00:00+00'`);
  });

  const timestamp = new Date().toISOString();
  const insert = `INSERT INTO audit_log (id, tenant_id, timestamp, service, action, resource, result, reason, entities, metadata)
    VALUES (gen_random_uuid(), 'default', '${timestamp}', 's', 'a', 'r', 'ALLOWED', '', '[]', '{}')`;

  const partition = `audit_log_${timestamp.slice(0, 7).replace('-', '_')}`;

  it('lets the runtime role insert, and not even read what it inserted', async () => {
    await runtime.query(insert);
    await expect(runtime.query('SELECT 1 FROM audit_log')).rejects.toMatchObject({ code: '42501' });
    await expect(runtime.query(`${insert} RETURNING id`)).rejects.toMatchObject({ code: '42501' });
  });

  it.each([
    ['update', `UPDATE audit_log SET reason = 'x'`],
    ['delete', 'DELETE FROM audit_log'],
    ['truncate', 'TRUNCATE audit_log'],
    ['drop', 'DROP TABLE audit_log'],
    ['alter', 'ALTER TABLE audit_log ADD COLUMN x int'],
    ['read a partition', `SELECT 1 FROM ${partition}`],
    ['write to a partition', insert.replace('audit_log', partition)],
    ['become another role', 'SET ROLE pg_read_all_data'],
    ['create a table', 'CREATE TABLE mine (x int)'],
    ['write the history of migrations', `DELETE FROM migrations`],
  ])('does not let the runtime role %s', async (_name, sql) => {
    await expect(runtime.query(sql)).rejects.toMatchObject({ code: '42501' });
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import pg from 'pg';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { healthResponse, problem } from '#contracts';
import { connectionUrl, dataSourceOptions, DatabaseNewerError, roleOf } from '#database';
import { createTestDatabase, serviceToken, startService, testPostgresUrl, waitFor, type TestService } from '#testing';
import { ALL_SERVICES } from '../support/services.js';

interface Operation {
  summary?: string;
  security?: object[];
  responses: Record<string, { content?: Record<string, object> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
}

/** A read that needs the database; the router answers from its registry in memory. */
const READS_DATABASE: Partial<Record<string, string>> = {
  gatekeeper: '/v1/audit/events',
  guardian: '/certificates',
  telemetry: '/v1/telemetry/events',
  lobby: '/v1/history',
};

describe.each(ALL_SERVICES)('$name, as every service,', ({ name, definition, tables, endpoints }) => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService(name, definition);
  });
  afterAll(() => service.close());

  const document = async () => (await request(service.url).get('/docs/json')).body as Document;
  /** A database that stands still for two seconds is unhealthy, and is healthy again. */
  const answers200 = (path: string, url = service.url) =>
    waitFor(`200 of ${path}`, async () => {
      const answer = await request(url).get(path);
      return answer.status === 200 && answer;
    });
  const operations = async () =>
    Object.entries((await document()).paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );

  it('is healthy, alive and ready, and has metrics', async () => {
    const health = await answers200('/health');
    expect(healthResponse.parse(health.body)).toMatchObject({ status: 'healthy', service: name, database: true });
    await request(service.url).get('/health/live').expect(200);
    await answers200('/health/ready');
    const metrics = await request(service.url).get('/metrics').expect(200);
    expect(metrics.text).toMatch(/^gravitas_http_request_seconds_count\{.*route="\/health".*status="200".*\} 1$/m);
    expect(metrics.text).toMatch(/^gravitas_audit_dropped 0$/m);
  });

  it('has a valid OpenAPI 3 document, in which each route has a summary and documents its success', async () => {
    const result = await new Validator().validate((await document()) as unknown as Record<string, unknown>);
    expect(result).toMatchObject({ valid: true });
    for (const { path, method, operation } of await operations()) {
      const statuses = Object.keys(operation.responses);
      expect({ path, method, summary: typeof operation.summary }).toEqual({ path, method, summary: 'string' });
      expect({ path, method, success: statuses.some((status) => status.startsWith('2')) }).toMatchObject({
        success: true,
      });
    }
  });

  it('answers what it is to answer, and nothing else', async () => {
    const all = (await operations()).map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    expect(all.filter((operation) => !operation.includes(' /health')).sort()).toEqual(endpoints);
  });

  it('wants a token on every route but health, metrics, documentation, the front page and the log’s public key, and documents the 401', async () => {
    const open = new Set([
      '/health',
      '/health/live',
      '/health/ready',
      '/health/detailed',
      '/health/stream',
      '/',
      '/v1/audit/key',
    ]);
    const guarded = (await operations()).filter(({ path }) => !open.has(path));
    expect(guarded.length).toBeGreaterThan(0);
    for (const { path, method, operation } of guarded) {
      const url = path.replaceAll(/\{\w+\}/g, 'x');
      const call = request(service.url)[method as 'get'](url);
      const answer = await (method === 'get' ? call : call.type('json').send('{}'));
      expect({ path, method, status: answer.status }).toEqual({ path, method, status: 401 });
      expect(problem.parse(answer.body).detail).toBe('Missing Authorization header');
      expect({ path, method, documented: '401' in operation.responses }).toEqual({ path, method, documented: true });
    }
  });

  it('answers an unknown path with a problem document', async () => {
    const answer = await request(service.url).get('/no/such/path').expect(404);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(problem.parse(answer.body)).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('says 503 while its database does not answer, and recovers by itself', async () => {
    const admin = new pg.Client({ connectionString: testPostgresUrl() });
    await admin.connect();
    try {
      await admin.query(`ALTER DATABASE ${service.database.name} ALLOW_CONNECTIONS false`);
      await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
        service.database.name,
      ]);
      const sick = await request(service.url).get('/health').expect(503);
      expect(sick.body).toMatchObject({ status: 'unhealthy', database: false });
      await request(service.url).get('/health/ready').expect(503);
      await request(service.url).get('/health/live').expect(200);
      const read = READS_DATABASE[name];
      if (read !== undefined) {
        const answer = await request(service.url)
          .get(read)
          .set('authorization', `Bearer ${await serviceToken('router', name)}`);
        expect(problem.parse(answer.body)).toMatchObject({ status: 503, code: 'database_unavailable' });
      }
    } finally {
      await admin.query(`ALTER DATABASE ${service.database.name} ALLOW_CONNECTIONS true`);
      await admin.end();
    }
    await answers200('/health');
  });

  it('can go back to an empty schema and forward again to the same one, which is the one that its entities describe', async () => {
    const database = await createTestDatabase(name);
    const runtimeRole = roleOf(database.runtimeUrl);
    const source = new DataSource(
      dataSourceOptions({ service: name, url: database.ownerUrl, runtimeRole, ...definition }),
    );
    try {
      await source.initialize();
      await source.runMigrations();
      const first = await schemaOf(source);
      const owned = first.filter((line) => line.startsWith('table ')).map((line) => line.slice('table '.length));
      expect(owned).toEqual(tables);
      const { upQueries } = await source.driver.createSchemaBuilder().log();
      expect(upQueries.map(({ query }) => query)).toEqual([]);

      for (let i = 0; i < definition.migrations.length; i++) await source.undoLastMigration();
      expect(await schemaOf(source)).toEqual([]);
      await source.runMigrations();
      expect(await schemaOf(source)).toEqual(first);
    } finally {
      await source.destroy();
      await database.drop();
    }
  });

  it('refuses a database that is newer than itself', async () => {
    const database = await createTestDatabase(name);
    try {
      await (await startService(name, definition, { database })).stop();
      await database.query(
        `INSERT INTO migrations (timestamp, name) VALUES (9999999999999, 'FromTheFuture9999999999999')`,
      );
      await expect(startService(name, definition, { database })).rejects.toThrow(DatabaseNewerError);
    } finally {
      await database.drop();
    }
  });

  it('comes up twice at once on an empty database', async () => {
    const database = await createTestDatabase(name);
    const both = await Promise.all([1, 2].map(() => startService(name, definition, { database })));
    try {
      for (const instance of both) await answers200('/health', instance.url);
    } finally {
      await Promise.all(both.map((instance) => instance.stop()));
      await database.drop();
    }
  });

  it('runs as a role that owns nothing and is not let into any other database', async () => {
    const other = await createTestDatabase('other');
    const { user, password } = credentials(service.database.runtimeUrl);
    try {
      const client = new pg.Client({ connectionString: connectionUrl(other.superuserUrl, { user, password }) });
      await expect(client.connect()).rejects.toMatchObject({ code: '42501' });
      const [role] = await service.database.query(
        `SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication,
                (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS owned FROM pg_roles r WHERE rolname = $1`,
        [user],
      );
      expect(role).toEqual({
        rolsuper: false,
        rolcreatedb: false,
        rolcreaterole: false,
        // Of the gatekeeper's it is asked elsewhere what that role may do: insert, and not read.
        rolbypassrls: name === 'gatekeeper',
        rolreplication: false,
        owned: 0,
      });
    } finally {
      await other.drop();
    }
  });
});

/** Every column, constraint, index and function of the public schema but the history of migrations, as comparable lines. */
async function schemaOf(source: DataSource): Promise<string[]> {
  const rows = await source.query<{ line: string }[]>(`
    SELECT format('table %s', table_name) AS line
      FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'migrations'
    UNION ALL SELECT format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
      FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'migrations'
    UNION ALL SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace AND conrelid <> to_regclass('migrations')
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'migrations'
    UNION ALL SELECT format('function %s', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1`);
  return rows.map(({ line }) => line);
}

function credentials(url: string): { user: string; password: string } {
  const { username, password } = new URL(url);
  return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
}

import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { connectionUrl, migrateAtBoot } from '#database';
import { create, driftOf, openMove, parsePlan, type Move } from '#decomposition';
import { createTestDatabase, testPostgresUrl, type TestDatabase } from '#testing';
import { migrations } from '../../apps/gatekeeper/migrations/index.js';

const TABLES = ['audit_log', 'event_entities', 'revoked_tokens', 'access_policies', 'audit_seals'];

/** The gatekeeper's tables have nearly all that a schema can have: what a shared database with them becomes. */
describe('split create, for the tables of the gatekeeper', () => {
  let shared: TestDatabase;
  let target: string;
  let move: Move;
  beforeEach(async () => {
    shared = await createTestDatabase('gatekeeper');
    target = `${shared.name}_own`;
    await migrate(shared.ownerUrl);
  });
  afterEach(async () => {
    await move.close();
    const client = new pg.Client({ connectionString: testPostgresUrl(), connectionTimeoutMillis: 20_000 });
    await client.connect();
    await client.query(`DROP DATABASE IF EXISTS ${target} WITH (FORCE)`);
    await client.end();
    await shared.drop();
  });

  const migrate = async (url: string): Promise<void> => {
    await migrateAtBoot({ service: 'gatekeeper', url, runtimeRole: shared.name, entities: [], migrations });
  };
  const openAs = (schema: string): Move => {
    const login = (name: string, more = ''): string => `{name: ${name}, password_env: UNUSED${more}}`;
    const plan = parsePlan(
      `name: gravitas
source: ${shared.superuserUrl}
services:
  gatekeeper:
    target: ${connectionUrl(testPostgresUrl(), { database: target })}
    schema: ${schema}
    owner: ${login(`${shared.name}_owner`)}
    runtime: ${login(shared.name, ', bypass_rls: true')}
    further: [${login(`${shared.name}_reader`)}, ${login(`${shared.name}_notary`, ', bypass_rls: true')}]
    tables: [${TABLES.join(', ')}]
`,
      {},
    );
    return openMove(plan, 'gatekeeper');
  };

  it.each(['clone', 'migrations'])('makes them by %s, as they are on the source, with their rights', async (schema) => {
    move = openAs(schema);
    const password = randomBytes(12).toString('hex');
    const report = await create(move, { passwords: () => password, migrate });
    expect(await driftOf(move)).toEqual([]);
    expect(report.deferred.length).toBeGreaterThan(5);
    const rights = `SELECT r.rolname || ' ' || p || ' ' || t FROM pg_roles r, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p,
      unnest($1::text[]) t WHERE r.rolname LIKE $2 AND has_table_privilege(r.oid, t, p) ORDER BY 1`;
    const [source, own] = await Promise.all(
      [move.databases.source, move.databases.target].map((pool) =>
        pool.query({ text: rights, values: [TABLES, `${shared.name}%`], rowMode: 'array' }),
      ),
    );
    expect(own!.rows).toEqual(source!.rows);
    expect(own!.rows.length).toBeGreaterThan(10);
    const second = await create(move, { passwords: () => password, migrate });
    expect(second.made).toEqual([]);
  });
});

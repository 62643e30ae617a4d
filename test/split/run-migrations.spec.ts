import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ServicePlan } from '#decomposition';
import { createTestDatabase, type TestDatabase } from '#testing';
import { runMigrations } from '../../scripts/split/run-migrations.js';

describe('the migrations of a service that moves', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase('lobby');
  });
  afterAll(() => database.drop());

  const service = (name: string, runtime: string) => ({ name, runtime: { name: runtime } }) as ServicePlan;

  it('run as the owner, and give the runtime login its rights', async () => {
    const runtime = new URL(database.runtimeUrl).username;
    await runMigrations(service('lobby', runtime), database.ownerUrl);
    const rows = await database.query<{ may: boolean; owner: string }>(
      `SELECT has_table_privilege($1, 'history', 'INSERT') AS may, tableowner AS owner FROM pg_tables WHERE tablename = 'history'`,
      [runtime],
    );
    expect(rows).toEqual([{ may: true, owner: new URL(database.ownerUrl).username }]);
  });

  it('are not there for a service of somebody else', async () => {
    await expect(runMigrations(service('auth', 'auth'), database.ownerUrl)).rejects.toMatchObject({
      code: 'invalid_plan',
      next: expect.stringContaining('schema: clone'),
    });
  });
});

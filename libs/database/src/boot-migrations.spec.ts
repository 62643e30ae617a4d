import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { createTestDatabase, waitFor, type TestDatabase } from '#testing';
import { migrateAtBoot } from './boot-migrations.js';
import { roleOf } from './data-source.js';
import { grantToRuntime } from './grants.js';
import { DatabaseNewerError, DatabaseUnavailableError, MigrationFailedError } from './migration-errors.js';

/** What goes on during the first one. */
let meanwhile: () => Promise<unknown> = () => Promise.resolve();

class First1000000000001 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('CREATE TABLE first (x int)');
    await meanwhile();
    await grantToRuntime(queryRunner, 'SELECT', 'first');
  }
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE first');
  }
}

class Second1000000000002 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('CREATE TABLE second (x int)');
  }
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE second');
  }
}

class Broken1000000000003 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('CREATE TABLE third (x int)');
    await queryRunner.query('CREATE TABLE third (x nonsense)');
  }
  async down(): Promise<void> {}
}

describe('migrateAtBoot', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    meanwhile = () => Promise.resolve();
    database = await createTestDatabase('boot');
  });
  afterEach(() => database.drop());

  const migrate = (
    migrations: (new () => MigrationInterface)[],
    url = database.ownerUrl,
    { log, connectTimeoutMs = 20_000 }: { log?: (line: string) => void; connectTimeoutMs?: number } = {},
  ) =>
    migrateAtBoot({
      service: 'sample',
      url,
      runtimeRole: roleOf(database.runtimeUrl),
      entities: [],
      migrations,
      connectTimeoutMs,
      ...(log && { log }),
    });
  const tables = async () =>
    (
      await database.query<{ t: string }>(`SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`)
    ).map(({ t }) => t);

  it('runs what is pending, in order, and nothing the second time', async () => {
    expect(await migrate([First1000000000001])).toEqual(['First1000000000001']);
    expect(await migrate([First1000000000001, Second1000000000002])).toEqual(['Second1000000000002']);
    expect(await migrate([First1000000000001, Second1000000000002])).toEqual([]);
    expect(await tables()).toEqual(['first', 'migrations', 'second']);
  });

  it('lets one of several instances migrate while the others wait', async () => {
    const lines: string[] = [];
    meanwhile = () => waitFor('the others to wait', () => lines.length === 2, 20_000);
    const runs = await Promise.all(
      [1, 2, 3].map(() => migrate([First1000000000001], undefined, { log: (line) => lines.push(line) })),
    );
    expect(runs.map((run) => run.length).sort()).toEqual([0, 0, 1]);
    expect(lines).toEqual(Array(2).fill('another instance is migrating this database; waiting for it'));
  });

  it('gives the runtime role what a migration grants it, and a look at the history', async () => {
    await migrate([First1000000000001]);
    const [row] = await database.query(
      `SELECT has_table_privilege($1, 'first', 'SELECT') AS reads, has_table_privilege($1, 'first', 'INSERT') AS writes,
              has_table_privilege($1, 'migrations', 'SELECT') AS sees, has_table_privilege($1, 'migrations', 'DELETE') AS forges`,
      [roleOf(database.runtimeUrl)],
    );
    expect(row).toEqual({ reads: true, writes: false, sees: true, forges: false });
    // With nothing to do, the runtime role itself can find out that the schema is the right one.
    expect(await migrate([First1000000000001], database.runtimeUrl)).toEqual([]);
  });

  it('names the migration that failed and what PostgreSQL said, keeps those before it and nothing of it', async () => {
    const error = await migrate([First1000000000001, Broken1000000000003]).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(MigrationFailedError);
    expect((error as Error).message).toBe(
      'sample: migration Broken1000000000003 failed: type "nonsense" does not exist',
    );
    expect(await tables()).toEqual(['first', 'migrations']);
  });

  it('refuses a database that is newer than the code', async () => {
    await migrate([First1000000000001, Second1000000000002]);
    const error = await migrate([First1000000000001]).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DatabaseNewerError);
    expect((error as Error).message).toContain('Second1000000000002');
  });

  it('says that the database does not answer, and does not wait for a wrong password', async () => {
    const nowhere = new URL(database.ownerUrl);
    nowhere.port = '1';
    await expect(migrate([], nowhere.href, { connectTimeoutMs: 1000 })).rejects.toThrow(DatabaseUnavailableError);
    const stranger = new URL(database.ownerUrl);
    stranger.password = 'wrong';
    await expect(migrate([], stranger.href)).rejects.toThrow(/password authentication failed/);
  });
});

/** A migration that PostgreSQL refused. Its transaction is rolled back; those before it stay. */
export class MigrationFailedError extends Error {
  readonly code = 'migration_failed';

  constructor(
    readonly service: string,
    readonly migration: string,
    cause: unknown,
  ) {
    super(`${service}: migration ${migration} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.name = 'MigrationFailedError';
  }
}

/** The database has migrations that this version of the code does not know. */
export class DatabaseNewerError extends Error {
  readonly code = 'database_newer';

  constructor(
    readonly service: string,
    readonly unknown: readonly string[],
  ) {
    super(
      `${service}: the database is newer than this version: it has ${unknown.join(', ')}. ` +
        `Run the version that brought it, or revert it there (npm run ${service}:migration:revert).`,
    );
    this.name = 'DatabaseNewerError';
  }
}

/** The database did not answer, or another instance kept the migration lock for too long. */
export class DatabaseUnavailableError extends Error {
  readonly code = 'database_unavailable';

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'DatabaseUnavailableError';
  }
}

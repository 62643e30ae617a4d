import { DataSource } from 'typeorm';
import { dataSourceOptions, roleOf, type DatabaseOptions } from './data-source.js';

/**
 * A service's data source for TypeORM's command line, as the owner: `<APP>_MIGRATION_URL`, or else `<APP>_DATABASE_URL`.
 *
 * @throws Error naming the variables when neither is set
 */
export function cliDataSource(
  service: string,
  schema: Pick<DatabaseOptions, 'entities' | 'migrations'>,
  environment: Readonly<Record<string, string | undefined>>,
): DataSource {
  const prefix = service.toUpperCase();
  const runtimeUrl = environment[`${prefix}_DATABASE_URL`];
  const url = environment[`${prefix}_MIGRATION_URL`] ?? runtimeUrl;
  if (!url)
    throw new Error(
      `set ${prefix}_MIGRATION_URL (or ${prefix}_DATABASE_URL), or use npm run ${service}:migration:show`,
    );
  const options = dataSourceOptions({
    service,
    url,
    runtimeRole: roleOf(runtimeUrl ?? url),
    ...schema,
    poolSize: 2,
    migrationsTable: environment[`${prefix}_MIGRATIONS_TABLE`] || undefined,
  });
  return new DataSource({ ...options, logger: 'advanced-console', logging: ['error', 'migration', 'schema'] });
}

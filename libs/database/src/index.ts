export { ChangeFeed, type ChangeFeedOptions } from './change-feed.js';
export { type CopyType, type CopyValue } from './copy-binary.js';
export { DatabaseNewerError, DatabaseUnavailableError, MigrationFailedError } from './migration-errors.js';
export { ProvisionError, type ProvisionErrorCode } from './provision-error.js';
export { connectionUrl, redactUrl, type ConnectionUrlParts } from './connection-url.js';
export { copyInto, copyIntoAll, type CopyPart, type CopyTarget } from './copy-into.js';
export { connectSession, openSession } from './open-session.js';
export { copyFrom } from './copy-from.js';
export { type CopyChunks } from './copy-in.js';
export { copyOut } from './copy-out.js';
export { createPool } from './pool.js';
export { PooledClient } from './pooled-client.js';
export { routeConnections, type ConnectionRoute, type PoolUse } from './connection-routes.js';
export { dataSourceOptions, roleOf, type DatabaseOptions } from './data-source.js';
export { grantTo, grantToRuntime, quotedRole, revokeFrom } from './grants.js';
export { migrateAtBoot, type MigrateOptions } from './boot-migrations.js';
export {
  roleName,
  rolesOf,
  roleUrl,
  serviceDatabase,
  type DatabaseRole,
  type FurtherRole,
} from './service-database.js';
export { provision, type DatabaseSpec, type RoleSpec } from './provision.js';
export { cliDataSource } from './cli-data-source.js';
export { isConnectionError, isLoginRefused } from './connection-errors.js';
export { isPermanentError, isUniqueViolation } from './permanent-errors.js';
export { withConnection } from './with-connection.js';
export { storableText } from './storable-text.js';

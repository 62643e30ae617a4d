export { EmbeddedPostgres, type EmbeddedPostgresOptions, type StartedPostgres } from './embedded-postgres.js';
export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './errors.js';
export { findFreePort, isPortFree } from './free-port.js';
export { postgresIdentity, canReach, type Identity } from './identity.js';

export { ConfigError } from './config-error.js';
export { env } from './env.js';
export { type FailMode, type FailRule } from './fail-modes.js';
export { loadConfig, type Environment } from './load-config.js';
export { loadServiceConfig, type AuditSettings, type ServiceConfig } from './service-config.js';

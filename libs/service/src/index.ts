export { createApp } from './create-app.js';
export { LOGGER } from './logger.token.js';
export { runService } from './run-service.js';
export { type ServiceDefinition, type WithService } from './service-definition.js';
export { peerServiceModules, ServiceModule, type ServiceModuleOptions } from './service.module.js';

export * from './core/index.js';
export { AuditModule, type AuditModuleOptions } from './audit.module.js';
export { AuditTrail, type AuditTrailOptions } from './audit-trail.js';
export { FailModes } from './fail-modes.js';

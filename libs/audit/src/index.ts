export * from './core/index.js';
export { AuditModule, type AuditModuleOptions } from './audit.module.js';
export { AuditTrail } from './audit-trail.js';

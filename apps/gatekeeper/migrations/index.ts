import { CreateAuditLog1763683200000 } from './1763683200000-create-audit-log.js';

/** This service's schema history, oldest first. */
export const migrations = [CreateAuditLog1763683200000];

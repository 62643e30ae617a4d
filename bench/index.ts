import { auditIngest } from './audit-ingest.js';
import { auditMemory } from './audit-memory.js';
import { auditRecord } from './audit-record.js';
import { type Bench } from './harness/bench.js';
import { split } from './split.js';
import { trail } from './trail.js';
import { validate } from './validate.js';

/** All there are, in the order in which they run. */
export const benches: readonly Bench[] = [auditRecord, auditIngest, auditMemory, validate, trail, split];

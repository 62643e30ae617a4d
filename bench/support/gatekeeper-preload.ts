import { randomUUID } from 'node:crypto';
import { AuditTrail } from '#audit';
import { tellCpu } from './server-process.js';

/** Loaded before the gatekeeper's own main. With BENCH_AUDIT=off nothing is recorded: only for comparison. */
if (process.env.BENCH_AUDIT === 'off') {
  const id = randomUUID();
  AuditTrail.prototype.record = () => Promise.resolve(id);
}
tellCpu();

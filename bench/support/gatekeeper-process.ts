import { randomUUID } from 'node:crypto';
import { AuditTrail } from '#audit';
import { runService } from '#service';
import { gatekeeper } from '../../apps/gatekeeper/src/app.module.js';
import { tellCpu } from './server-process.js';

/** The gatekeeper as it is, or, with BENCH_AUDIT=off, one that records nothing: only for comparison. */
if (process.env.BENCH_AUDIT === 'off') {
  const id = randomUUID();
  AuditTrail.prototype.record = () => Promise.resolve(id);
}
tellCpu();
await runService(gatekeeper);

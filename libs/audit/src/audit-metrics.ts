import { type HealthDetails } from '#health';
import { type Metrics } from '#metrics';
import { type AuditTrail } from './audit-trail.js';
import { type AuditLogger, type AuditMeter } from './core/index.js';
import { type FailModes } from './fail-modes.js';

const BATCH_SIZES = [1, 5, 10, 50, 100, 250, 500, 1000, 2500, 5000];

const COUNTERS = {
  accepted: 'Audit events taken, those that an earlier run left included',
  persisted: 'Audit events that the sink has',
  dead_lettered: 'Audit events that the sink can never take, set aside',
  damaged: 'Audit events that could not be read back from the spool, kept aside',
  refused: 'Audit records not taken: no room, or the disk refused',
  retries: 'Batches of audit events that were sent again',
} as const;

const GAUGES = {
  queued: 'Audit events in memory, on their way to the sink',
  spooled: 'Audit events on disk only, on their way to the sink',
  dropped: 'Audit events of which nothing is known any more; anything but 0 is a fault of this program',
} as const;

/** Histograms of what the logger does, as it does it. */
export function meterFor(metrics: Metrics): AuditMeter {
  const events = metrics.histogram('audit_batch_events', 'Audit events in a batch that the sink took', [], BATCH_SIZES);
  const flush = metrics.histogram('audit_flush_seconds', 'Time that the sink needed for a batch of audit events');
  const fsync = metrics.histogram('audit_fsync_seconds', 'Time that the disk needed to have the audit spool');
  return {
    batch: (count, seconds) => {
      events.observe(count);
      flush.observe(seconds);
    },
    fsync: (seconds) => fsync.observe(seconds),
  };
}

/** What the logger and the trail count, read when somebody asks. */
export function publishCounts(logger: AuditLogger, trail: AuditTrail, metrics: Metrics): void {
  for (const [name, help] of entries(COUNTERS))
    metrics.counterFrom(`audit_${name}_total`, help, () => logger.stats()[name]);
  for (const [name, help] of entries(GAUGES)) metrics.gauge(`audit_${name}`, help, () => logger.stats()[name]);
  metrics.gauge('audit_lag_seconds', 'Age of the oldest audit event that the sink does not have', () =>
    seconds(logger.stats().lag_ms),
  );
  metrics.counterFrom(
    'audit_unrecorded_total',
    'Requests that went on although their audit event was refused (fail mode open)',
    () => trail.unrecorded,
  );
}

/** Unhealthy while records are refused and there are actions that must not go on without. `refusing` says why, or is null. */
export function publishHealth(logger: AuditLogger, failModes: FailModes, health: HealthDetails): void {
  health.add('audit', () => {
    // Anybody may read it: the file system's messages go on, after a comma, with what was called and on which path.
    const refusing = logger.refusing?.split(',', 1)[0] ?? null;
    return { healthy: refusing === null || !failModes.anyClosed, refusing, ...logger.stats() };
  });
}

function seconds(milliseconds: number): number {
  return milliseconds / 1000;
}

function entries<K extends string, V>(object: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(object) as [K, V][];
}

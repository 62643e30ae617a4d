import { type AuditLoggerOptions, type AuditSink } from '#audit';

/** A logger's options as the services have them by default. `warn` is told of each kind of trouble once. */
export function defaultLoggerOptions(
  sink: AuditSink,
  spoolDir: string,
  warn: (line: string) => void,
): AuditLoggerOptions {
  const told = new Set<string>();
  const warnOnce = (details: object, message: string): void => {
    if (told.has(message)) return;
    told.add(message);
    warn('err' in details ? `${message} (${String(details.err)})` : message);
  };
  return {
    service: 'gatekeeper',
    sink,
    spoolDir,
    durability: 'process',
    async: true,
    maxEvents: 10_000,
    maxBytes: 64 * 1024 * 1024,
    maxSpoolBytes: 1024 * 1024 * 1024,
    batchSize: 5000,
    flushIntervalMs: 50,
    log: { info: () => undefined, warn: warnOnce },
  };
}

/** Takes everything at once. */
export const EAGER_SINK: AuditSink = {
  write: async (events) => ({ accepted: events.length, duplicates: 0 }),
  close: async () => undefined,
};

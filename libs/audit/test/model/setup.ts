import fc from 'fast-check';
import { type AuditLoggerOptions } from '#audit';

/** What one run is played with: bounds so small that a few records reach them. */
export type Setup = Pick<
  AuditLoggerOptions,
  'durability' | 'async' | 'maxEvents' | 'maxBytes' | 'maxSpoolBytes' | 'batchSize' | 'flushIntervalMs'
> & { concurrency: 1 | 2 };

export const setups: fc.Arbitrary<Setup> = fc.record({
  durability: fc.constantFrom('process', 'disk', 'memory'),
  async: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  maxEvents: fc.integer({ min: 5, max: 50 }),
  maxBytes: fc.constantFrom(8 * 1024, 64 * 1024, 1024 * 1024),
  maxSpoolBytes: fc.constantFrom(128 * 1024, 512 * 1024, 2 * 1024 * 1024),
  batchSize: fc.integer({ min: 1, max: 10 }),
  flushIntervalMs: fc.integer({ min: 1, max: 20 }),
  concurrency: fc.constantFrom(1, 2),
});

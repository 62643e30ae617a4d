import { AuditLogger, PostgresSink } from '#audit';
import { settleWithin } from '#batching';
import { createPool } from '#database';
import { createLogger } from '#logging';
import { loadConfig } from '../../apps/gatekeeper/src/config.js';

export interface Drained {
  /** Events that were left in the spool, those that no receipt was given for included. */
  left: number;
  persisted: number;
  deadLettered: number;
  /** Torn by a kill, before anybody was told that they are durable. */
  damaged: number;
  /** From the opening of the spool until its last event was in the trail. */
  ms: number;
}

const FLUSH_MS = 60_000;
const CLOSE_MS = 1000;
const CONNECTIONS = 2;

/**
 * Does what the next start of the service would: opens the spool and hands everything in it to the trail.
 *
 * @param environment of a recorder
 * @throws Error when the spool cannot be opened, or is not empty after a minute with PostgreSQL up
 */
export async function drain(environment: Record<string, string>): Promise<Drained> {
  const { service } = loadConfig(environment);
  const log = createLogger({ service: service.name, level: 'silent' });
  const pool = createPool(service.database.url, 'gravitas-gatekeeper-audit', CONNECTIONS, () => undefined);
  const began = performance.now();
  const logger = await AuditLogger.open({ ...service.audit, service: service.name, sink: new PostgresSink(pool), log });
  const left = logger.stats().accepted;
  await settleWithin(logger.flush(), FLUSH_MS);
  const ms = performance.now() - began;
  await logger.close(CLOSE_MS);
  const { persisted, dead_lettered: deadLettered, damaged, queued, spooled, dropped } = logger.stats();
  if (queued + spooled + dropped !== 0)
    throw new Error(`The spool is not empty after ${FLUSH_MS / 1000} s: ${JSON.stringify(logger.stats())}`);
  return { left, persisted, deadLettered, damaged, ms };
}

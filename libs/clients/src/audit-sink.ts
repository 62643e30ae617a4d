import { HttpSink, type AuditSink } from '#audit';
import { type ServiceConfig } from '#config';
import { ServiceError } from '#errors';
import { type ServiceTokens } from '#http';
import { type Logger } from '#logging';
import { GatekeeperClient } from './gatekeeper-client.js';

/** What the gatekeeper says of events that it will never take: 400 (not well formed) and 413. */
const REJECTIONS: ReadonlySet<string> = new Set(['invalid', 'too_large']);
const INGEST_TIMEOUT_MS = 30_000;

/**
 * The audit sink of every service but the gatekeeper. It has a client of its own, so that audit batches and access decisions
 * neither share a circuit breaker nor close each other's connections.
 */
export function createAuditSink(
  { peers }: { peers: Pick<ServiceConfig['peers'], 'gatekeeper'> },
  tokens: ServiceTokens,
  logger?: Logger,
): AuditSink {
  const client = new GatekeeperClient({
    name: 'gatekeeper',
    url: peers.gatekeeper,
    tokens,
    logger,
    timeoutMs: INGEST_TIMEOUT_MS,
  });
  return new HttpSink({
    send: (events) => client.ingest(events),
    isRejection: (error) => error instanceof ServiceError && REJECTIONS.has(error.kind),
    close: () => client.close(),
  });
}

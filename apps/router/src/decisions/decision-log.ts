import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { BatchBuffer } from '#batching';
import { copyInto, createPool, isPermanentError, isUniqueViolation, withConnection, type CopyTarget } from '#database';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { bufferMetrics } from '../buffer-metrics.js';
import { type Route } from '../completions/route.js';
import { CONFIG, type RouterConfig } from '../config.js';
import { RoutingDecision } from './routing-decision.entity.js';

const COLUMNS = {
  id: 'uuid',
  created_at: 'timestamptz',
  request_id: 'text',
  session_id: 'text',
  tenant_id: 'text',
  ghost_id: 'text',
  requested_model: 'text',
  shell: 'text',
  tier: 'text',
  provider: 'text',
  complexity: 'float8',
  priority: 'text',
  stream: 'bool',
  candidates: 'jsonb',
  outcome: 'text',
  error_code: 'text',
  latency_ms: 'float8',
  tokens_in: 'int4',
  tokens_out: 'int4',
} as const satisfies CopyTarget['columns'];

const MAX_BATCH = 1000;
const INTERVAL_MS = 500;

/** One row a request in routing_decisions, written by COPY in batches, and never in the way of a request. */
@Injectable()
export class DecisionLog {
  private readonly pool: pg.Pool;
  private readonly buffer: BatchBuffer<RoutingDecision>;
  private readonly lost;

  constructor(
    private readonly database: DataSource,
    @Inject(CONFIG) { service, bufferSize }: RouterConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.pool = createPool(
      service.database.url,
      'gravitas-router-decisions',
      1,
      (error) => logger.warn({ err: error }, 'a connection of the decisions pool broke'),
      'writes',
    );
    this.buffer = new BatchBuffer({
      write: (batch) => this.write(batch),
      capacity: bufferSize,
      maxBatch: MAX_BATCH,
      intervalMs: INTERVAL_MS,
      isPermanent: isPermanentError,
      onFailing: (error) => logger.warn({ err: error }, 'routing decisions cannot be written; keeping them'),
      onRecovered: () => logger.info('routing decisions are written again'),
      onLost: (batch, reason) => {
        this.lost.inc(batch.length);
        logger.error({ err: reason, decisions: batch.map((row) => row.id) }, 'routing decisions are lost');
      },
    });
    this.lost = bufferMetrics(metrics, 'router_decisions', this.buffer);
  }

  record(route: Route): void {
    if (!this.buffer.offer(decisionOf(route))) this.lost.inc();
  }

  /** Takes no more and writes what waits. */
  async close(deadlineMs: number): Promise<void> {
    await this.buffer.close(deadlineMs);
    await this.pool.end();
  }

  private async write(batch: readonly RoutingDecision[]): Promise<void> {
    const target = { table: 'routing_decisions', columns: COLUMNS };
    try {
      await withConnection(this.pool, (client) => copyInto(client, target, batch.map(toRow)));
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      // An earlier try of this batch got through, and its answer did not.
      await this.insertNew(batch);
    }
  }

  private async insertNew(batch: readonly RoutingDecision[]): Promise<void> {
    const values = batch.map((decision) => ({ ...decision }));
    await this.database.createQueryBuilder().insert().into(RoutingDecision).values(values).orIgnore().execute();
  }
}

function decisionOf(route: Route): RoutingDecision {
  const { request, shell, usage } = route;
  return Object.assign(new RoutingDecision(), {
    id: route.id,
    createdAt: route.createdAt,
    requestId: route.caller.requestId,
    sessionId: route.sessionId,
    tenantId: route.tenantId,
    ghostId: route.ghostId,
    requestedModel: request.model,
    shell: shell?.name ?? null,
    tier: shell?.tier ?? null,
    provider: shell?.provider ?? null,
    complexity: request.complexity,
    priority: request.priority,
    stream: request.stream === true,
    candidates: route.passedOver,
    outcome: route.outcome,
    errorCode: route.errorCode,
    latencyMs: route.latencyMs,
    tokensIn: usage.tokensIn,
    tokensOut: usage.tokensOut,
  });
}

/** In the order of COLUMNS. */
function toRow(row: RoutingDecision) {
  return [
    row.id,
    row.createdAt,
    row.requestId,
    row.sessionId,
    row.tenantId,
    row.ghostId,
    row.requestedModel,
    row.shell,
    row.tier,
    row.provider,
    row.complexity,
    row.priority,
    row.stream,
    row.candidates,
    row.outcome,
    row.errorCode,
    row.latencyMs,
    row.tokensIn,
    row.tokensOut,
  ];
}

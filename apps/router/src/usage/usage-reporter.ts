import { randomUUIDv7 } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { BatchBuffer } from '#batching';
import { TelemetryClient } from '#clients';
import { type ReportedEvent, type TelemetryBatch, type UsageRecord } from '#contracts';
import { ServiceError } from '#errors';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { bufferMetrics } from '../buffer-metrics.js';
import { type CallOutcome, type ModelCall } from '../completions/model-call.js';
import { costOf, type TokenUsage } from '../completions/token-usage.js';
import { CONFIG, type RouterConfig } from '../config.js';

export interface CallReport {
  call: ModelCall;
  outcome: CallOutcome;
  usage: TokenUsage;
  latencyMs: number;
  firstByteMs: number | undefined;
}

const MAX_BATCH = 250;
const INTERVAL_MS = 500;
/** What telemetry will never take: 400 and 413. */
const REJECTIONS: ReadonlySet<string> = new Set(['invalid', 'too_large']);

/** Tells telemetry what each model call cost and how long it took: in batches, and never in the way of a call. */
@Injectable()
export class UsageReporter {
  private readonly buffer: BatchBuffer<{ usage: UsageRecord; event: ReportedEvent }>;
  private readonly calls;
  private readonly lost;

  constructor(
    private readonly telemetry: TelemetryClient,
    @Inject(CONFIG) config: RouterConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.buffer = new BatchBuffer({
      write: (batch) => this.telemetry.send(toBatch(batch)),
      capacity: config.bufferSize,
      maxBatch: MAX_BATCH,
      intervalMs: INTERVAL_MS,
      isPermanent: (error) => error instanceof ServiceError && REJECTIONS.has(error.kind),
      onFailing: (error) => logger.warn({ err: error }, 'telemetry takes no usage; keeping it'),
      onRecovered: () => logger.info('telemetry takes usage again'),
      onLost: (batch, reason) => {
        this.lost.inc(batch.length);
        logger.error({ err: reason, usage: batch.map((item) => item.usage) }, 'usage could not be delivered');
      },
    });
    this.lost = bufferMetrics(metrics, 'router_usage', this.buffer);
    this.calls = metrics.counter('router_model_calls', 'Model calls', ['shell', 'outcome']);
  }

  report(report: CallReport): void {
    this.calls.inc({ shell: report.call.shell.name, outcome: report.outcome });
    if (!this.buffer.offer({ usage: usageOf(report), event: eventOf(report) })) this.lost.inc();
  }

  /** Takes no more and delivers what waits. */
  close(deadlineMs: number): Promise<void> {
    return this.buffer.close(deadlineMs);
  }
}

function toBatch(batch: readonly { usage: UsageRecord; event: ReportedEvent }[]): TelemetryBatch {
  return { usage: batch.map((item) => item.usage), events: batch.map((item) => item.event) };
}

function usageOf({ call: { shell, route }, outcome, usage, latencyMs }: CallReport): UsageRecord {
  return {
    id: randomUUIDv7(),
    timestamp: new Date().toISOString(),
    tenant_id: route.tenantId,
    ghost_id: route.ghostId ?? 'unknown',
    model: shell.name,
    provider: shell.provider,
    tier: shell.tier,
    tokens_in: usage.tokensIn,
    tokens_out: usage.tokensOut,
    cost_usd: costOf(shell, usage),
    latency_ms: latencyMs,
    outcome: outcome.toLowerCase(),
    session_id: route.sessionId,
  };
}

function eventOf({ call: { shell, route }, outcome, usage, latencyMs, firstByteMs }: CallReport): ReportedEvent {
  return {
    event_type: 'model_call',
    timestamp: new Date().toISOString(),
    tenant_id: route.tenantId,
    ...(route.ghostId !== null && { ghost_id: route.ghostId }),
    component: 'router',
    value: latencyMs,
    status: outcome.toLowerCase(),
    metadata: {
      model: shell.name,
      provider: shell.provider,
      tier: shell.tier,
      session_id: route.sessionId,
      request_id: route.caller.requestId,
      stream: route.request.stream === true,
      tokens_in: usage.tokensIn,
      tokens_out: usage.tokensOut,
      usage_estimated: usage.estimated,
      ...(firstByteMs !== undefined && { time_to_first_token_ms: firstByteMs }),
    },
  };
}

import { performance } from 'node:perf_hooks';
import { type AuditTrail } from '#audit';
import { type AuditRecord } from '#contracts';
import { ServiceError } from '#errors';
import { type Shell } from '../registry/shell.entity.js';
import { type UsageReporter } from '../usage/usage-reporter.js';
import { type Route } from './route.js';
import { UsageMeter } from './token-usage.js';

export type CallOutcome = 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

const REASONS: Record<CallOutcome, string> = {
  SUCCEEDED: 'model answered',
  FAILED: 'model call failed',
  CANCELLED: 'the client went away',
};

/** One call of one model, from its intent to its outcome. What was said is never recorded, only how much. */
export class ModelCall {
  readonly meter: UsageMeter;
  private readonly start = performance.now();
  private firstByteMs: number | undefined;
  private intentId: string | null = null;

  constructor(
    readonly shell: Shell,
    readonly route: Route,
    private readonly trail: AuditTrail,
    private readonly usage: UsageReporter,
  ) {
    this.meter = new UsageMeter(route.request.messages);
  }

  /** @throws ServiceError unavailable when it cannot be recorded; the model must not be called then */
  async intend(): Promise<void> {
    this.intentId = await this.record('ALLOWED', 'model call intended', { provider: this.shell.provider });
    this.route.shell = this.shell;
  }

  answering(): void {
    this.firstByteMs = performance.now() - this.start;
  }

  /** @throws ServiceError unavailable when it cannot be recorded */
  async end(outcome: CallOutcome, failure?: unknown): Promise<void> {
    const latencyMs = performance.now() - this.start;
    // A model that never began to answer used nothing.
    const answered = outcome === 'SUCCEEDED' || this.firstByteMs !== undefined;
    const usage = answered ? this.meter.usage : { tokensIn: 0, tokensOut: 0, estimated: false };
    this.route.usage = usage;
    this.usage.report({ call: this, outcome, usage, latencyMs, firstByteMs: this.firstByteMs });
    await this.record(outcome, REASONS[outcome], {
      tokens_in: usage.tokensIn,
      tokens_out: usage.tokensOut,
      usage_estimated: usage.estimated,
      latency_ms: round(latencyMs),
      ...(this.firstByteMs !== undefined && { time_to_first_token_ms: round(this.firstByteMs) }),
      provider: this.shell.provider,
      intent_audit_id: this.intentId,
      ...(failure instanceof ServiceError && { error_code: failure.code }),
    });
  }

  private record(result: AuditRecord['result'], reason: string, metadata: object): Promise<string | null> {
    const { tenantId, ghostId, sessionId, caller, request } = this.route;
    return this.trail.record({
      tenant_id: tenantId,
      ghost_id: ghostId,
      shell_id: this.shell.name,
      action: 'inference',
      resource: resourceOf(this.shell),
      result,
      reason,
      request_id: caller.requestId,
      session_id: sessionId,
      entities: [{ kind: 'session', id: sessionId }],
      metadata: { ...metadata, stream: request.stream === true },
    });
  }
}

/** What the policy calls a model. */
export function resourceOf({ tier, name }: Shell): string {
  return `shells/${tier.toLowerCase()}/${name}`;
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

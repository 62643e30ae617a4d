import { randomUUIDv7 } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { type ChatRequest } from '#contracts';
import { storableText } from '#database';
import { ServiceError } from '#errors';
import { type Shell } from '../registry/shell.entity.js';
import { type TokenUsage } from './token-usage.js';

/** Who asks. `gone` is aborted when the client is not there any more. */
export interface Caller {
  token: string;
  requestId: string;
  gone: AbortSignal;
}

export type RouteOutcome = 'succeeded' | 'failed' | 'cancelled' | 'refused';

/** One request on its way: what becomes known of it, for the log of decisions. */
export class Route {
  readonly id = randomUUIDv7();
  readonly sessionId = randomUUIDv7();
  readonly createdAt = new Date();
  private readonly start = performance.now();
  /** Known once the gatekeeper has looked at the token. */
  ghostId: string | null = null;
  tenantId = 'default';
  readonly passedOver: { model: string; reason: string; detail: string }[] = [];
  /** The shell that was called last; null when none was. */
  shell: Shell | null = null;
  usage: TokenUsage = { tokensIn: 0, tokensOut: 0, estimated: false };
  private error: unknown;
  private succeeded = false;

  constructor(
    readonly request: ChatRequest,
    readonly caller: Caller,
  ) {}

  get latencyMs(): number {
    return performance.now() - this.start;
  }

  passOver(shell: Shell, { code, detail }: ServiceError): void {
    // A provider's own words may be in it.
    this.passedOver.push({ model: shell.name, reason: code, detail: storableText(detail) });
  }

  succeed(): void {
    this.succeeded = true;
  }

  fail(error: unknown): void {
    this.error = error;
  }

  get outcome(): RouteOutcome {
    if (this.succeeded) return 'succeeded';
    if (this.caller.gone.aborted) return 'cancelled';
    return this.shell === null ? 'refused' : 'failed';
  }

  get errorCode(): string | null {
    if (this.outcome === 'succeeded' || this.outcome === 'cancelled') return null;
    return this.error instanceof ServiceError ? this.error.code : 'internal_error';
  }
}

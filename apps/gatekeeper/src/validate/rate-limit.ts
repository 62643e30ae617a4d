import { Inject, Injectable } from '@nestjs/common';
import { AuditTrail } from '#audit';
import { ServiceError } from '#errors';
import { type AgentPrincipal } from '#http';
import { Metrics } from '#metrics';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { TokenBuckets } from './token-buckets.js';

const MAX_GHOSTS = 100_000;
const WINDOW_MS = 60_000;

/** Bounds how often one ghost may ask. Each instance counts for itself. */
@Injectable()
export class RateLimit {
  private readonly buckets: TokenBuckets | undefined;
  private readonly refusals;

  constructor(
    @Inject(CONFIG) private readonly config: GatekeeperConfig,
    private readonly trail: AuditTrail,
    metrics: Metrics,
  ) {
    const { rate, burst } = config.rateLimit;
    if (rate > 0)
      this.buckets = new TokenBuckets({
        rate,
        burst,
        maxBuckets: MAX_GHOSTS,
        windowMs: WINDOW_MS,
        now: () => performance.now(),
      });
    this.refusals = metrics.counter(
      'gatekeeper_rate_limited_total',
      'Requests refused because their ghost asks too often',
    );
    metrics.gauge('gatekeeper_rate_limit_ghosts', 'Ghosts whose rate is remembered', () => this.buckets?.size ?? 0);
  }

  /**
   * Counts a request. The first refusal of a ghost in a minute is recorded, with the number of those before it that were not.
   *
   * @throws ServiceError rate_limited, or unavailable (`audit_unavailable`)
   */
  async pass(agent: AgentPrincipal, action: string, resource: string, requestId: string): Promise<void> {
    // A tenant's name cannot hold a line feed.
    const refusal = this.buckets?.take(`${agent.tenantId}\n${agent.ghostId}`);
    if (refusal === undefined) return;
    this.refusals.inc();
    const { rate, burst } = this.config.rateLimit;
    const detail = `More than ${rate} requests a second, after a burst of ${burst}`;
    const auditId = refusal.first
      ? await this.trail.record({
          tenant_id: agent.tenantId,
          ghost_id: agent.ghostId,
          action,
          resource,
          result: 'DENIED',
          reason: `rate limit: ${detail}`,
          request_id: requestId,
          metadata: { rate, burst, window_seconds: WINDOW_MS / 1000, refused_before: refusal.refusedBefore },
        })
      : undefined;
    throw new ServiceError('rate_limited', 'rate_limited', detail, {
      retryAfter: Math.ceil(refusal.retryAfter),
      extensions: { ghost_id: agent.ghostId, ...(auditId && { audit_id: auditId }) },
    });
  }

  get isOn(): boolean {
    return this.buckets !== undefined;
  }
}

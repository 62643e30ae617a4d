import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuditTrail } from '#audit';
import { ChangeFeed } from '#database';
import { errorMessage, ServiceError } from '#errors';
import { HealthDetails } from '#health';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { RevocationList, type RevocationKind } from './revocation-list.js';
import { RevocationsRepository, REVOCATIONS_CHANNEL, type StoredRevocation } from './revocations.repository.js';

/** What memory holds, about 300 bytes each. Above that nothing more is taken; what is there is never forgotten for what is new. */
const MAX_REVOCATIONS = 100_000;
const MAX_PER_TENANT = 10_000;
const EVERY_MS = 1000;
/** What was removed, by time or by hand, is noticed only when everything is read. */
const ALL_EVERY_MS = 10 * 60_000;
const CLOCKS_APART_SECONDS = 60;

export interface RevocationRequest {
  tenantId: string;
  kind: RevocationKind;
  value: string;
  reason: string;
  revokedBy: string;
  /** The caller, where it is an agent. */
  ghostId: string | null;
  requestId: string;
}

/**
 * Keeps the list of what is revoked like the table: at once for what this instance revokes, by a hint and at the latest after a second
 * for what others do. While the database does not answer, the last list counts.
 */
@Injectable()
export class Revocations implements OnModuleInit, OnModuleDestroy {
  readonly list = new RevocationList();
  private feed: ChangeFeed | undefined;
  private revision = '0';
  private readAt = 0;
  private allReadAt = 0;
  private problem: string | undefined;
  /** What was revoked here while everything is read: that reading may have begun before. */
  private meanwhile: StoredRevocation[] | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: GatekeeperConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly repository: RevocationsRepository,
    private readonly database: DataSource,
    private readonly trail: AuditTrail,
    private readonly health: HealthDetails,
    private readonly metrics: Metrics,
  ) {}

  async onModuleInit(): Promise<void> {
    this.feed = await ChangeFeed.open({
      url: this.config.service.database.url,
      applicationName: 'gravitas-gatekeeper-revocations',
      channel: REVOCATIONS_CHANNEL,
      refresh: () => this.refresh(),
      everyMs: EVERY_MS,
      onTrouble: (error) => this.tell(error),
    });
    this.health.add('revoked_tokens', () => ({
      healthy: this.problem === undefined,
      entries: this.list.size,
      read_at: new Date(this.readAt).toISOString(),
      ...(this.problem && { problem: this.problem }),
    }));
    this.metrics.gauge('revoked_tokens', 'Revoked tokens and ghosts in memory', () => this.list.size);
    this.metrics.gauge(
      'revoked_tokens_age_seconds',
      'Time since the list of revoked tokens was last compared with the database',
      () => (Date.now() - this.readAt) / 1000,
    );
  }

  async onModuleDestroy(): Promise<void> {
    await this.feed?.close();
  }

  /**
   * Revokes, recorded in the audit trail before the commit. Counts on this instance when it returns.
   *
   * @throws ServiceError conflict when there are too many, unavailable (`audit_unavailable`) when it cannot be recorded
   */
  async revoke(request: RevocationRequest): Promise<StoredRevocation> {
    this.checkRoom(request);
    // A ghost may come back with a token that names no time, so its revocation stays; it is one row a ghost.
    const keepSeconds = request.kind === 'jti' ? this.config.jwt.maxLifetime + CLOCKS_APART_SECONDS : null;
    const revocation = await this.database.transaction(async (manager) => {
      const stored = await this.repository.revoke(manager, { ...request, keepSeconds });
      await this.record(request, stored);
      return stored;
    });
    this.list.add(revocation);
    this.meanwhile?.push(revocation);
    return revocation;
  }

  private checkRoom(request: RevocationRequest): void {
    if (this.list.has(request)) return;
    if (this.list.size < MAX_REVOCATIONS && this.list.sizeOf(request.tenantId) < MAX_PER_TENANT) return;
    const full = `No more than ${MAX_PER_TENANT} revocations of a tenant and ${MAX_REVOCATIONS} in all are kept; revoke ghosts instead of their single tokens`;
    throw new ServiceError('conflict', 'too_many_revocations', full);
  }

  private async record(request: RevocationRequest, { revokedAt }: StoredRevocation): Promise<void> {
    const { tenantId, kind, value, reason, revokedBy, ghostId, requestId } = request;
    await this.trail.record({
      tenant_id: tenantId,
      ghost_id: ghostId,
      action: 'token.revoke',
      resource: `${kind === 'jti' ? 'tokens' : 'ghosts'}/${value}`,
      result: 'SUCCEEDED',
      reason,
      request_id: requestId,
      entities: [{ kind: kind === 'jti' ? 'token' : 'ghost', id: value }],
      metadata: { revoked_by: revokedBy, revoked_at: revokedAt.toISOString() },
    });
  }

  private async refresh(): Promise<void> {
    const now = Date.now();
    try {
      if (Math.abs(now - this.allReadAt) >= ALL_EVERY_MS) await this.readAll(now);
      else await this.readNew();
      this.readAt = now;
      this.problem = undefined;
    } catch (error) {
      this.problem = `the database cannot be read, the list of ${new Date(this.readAt).toISOString()} counts: ${errorMessage(error)}`;
      throw error;
    }
  }

  private async readNew(): Promise<void> {
    const { revocations, revision } = await this.repository.since(this.revision);
    for (const revocation of revocations) this.list.add(revocation);
    this.revision = revision;
  }

  private async readAll(now: number): Promise<void> {
    await this.repository.removeExpired();
    this.meanwhile = [];
    try {
      const { revocations, revision } = await this.repository.since('0');
      this.list.replace([...revocations, ...this.meanwhile]);
      this.revision = revision;
      this.allReadAt = now;
    } finally {
      this.meanwhile = undefined;
    }
  }

  private tell(error: Error | undefined): void {
    if (error) this.logger.warn({ err: error }, 'revocations of other instances may arrive late; the last list counts');
    else this.logger.info('revocations of other instances arrive again');
  }
}

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditTrail } from '#audit';
import { type AuditRecord } from '#contracts';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type GuardianConfig } from '../config.js';
import { sessionsOf } from './session-events.js';
import { SessionsRepository, type Unheard } from './sessions.repository.js';

/** Sessions in one transaction. */
const BATCH = 100;
/** Sessions that one turn closes at most; what is left waits for the next turn. */
const MAX_PER_TURN = 10_000;
const MIN_INTERVAL_MS = 250;
const MAX_INTERVAL_MS = 60_000;

/**
 * Closes sessions that were not heard of for the timeout, as abandoned. Every instance does so: each session is locked by the one that
 * closes it, and skipped by the others. In one transaction a batch is locked, recorded and closed. What the trail does not take stays
 * open until a later turn; should the commit fail, what was recorded is recorded again by the turn that closes it.
 */
@Injectable()
export class SessionReaper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly abandoned;
  private readonly failures;
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<number> | undefined;
  private closed = false;

  constructor(
    @Inject(CONFIG) private readonly config: GuardianConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly database: DataSource,
    private readonly sessions: SessionsRepository,
    private readonly trail: AuditTrail,
    metrics: Metrics,
  ) {
    this.abandoned = metrics.counter('guardian_sessions_abandoned_total', 'Sessions that this instance closed');
    this.failures = metrics.counter('guardian_reaper_failures_total', 'Turns of the reaper that ended early');
  }

  onApplicationBootstrap(): void {
    this.wait();
  }

  async onModuleDestroy(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.turn;
  }

  /** One turn; a call while one is under way waits for that one. Never rejects. @returns how many sessions it closed */
  run(): Promise<number> {
    this.turn ??= this.closeAll().finally(() => (this.turn = undefined));
    return this.turn;
  }

  private wait(): void {
    if (this.closed) return;
    const quarter = this.config.sessionTimeout * 250;
    this.timer = setTimeout(
      () => {
        this.run().then(
          () => this.wait(),
          () => undefined,
        );
      },
      Math.min(Math.max(quarter, MIN_INTERVAL_MS), MAX_INTERVAL_MS),
    );
    this.timer.unref();
  }

  private async closeAll(): Promise<number> {
    let total = 0;
    try {
      let found = BATCH;
      while (found === BATCH && total < MAX_PER_TURN && !this.closed) {
        const batch = await this.database.transaction((manager) => this.closeBatch(manager));
        total += batch.closed;
        this.abandoned.inc(batch.closed);
        if (batch.refusal) throw batch.refusal;
        found = batch.found;
      }
    } catch (error) {
      this.failures.inc();
      this.logger.warn({ err: error }, 'abandoned sessions could not be closed; the next turn tries again');
    }
    if (total > 0) this.logger.info({ sessions: total }, 'abandoned sessions closed');
    return total;
  }

  private async closeBatch(
    manager: EntityManager,
  ): Promise<{ found: number; closed: number; refusal: Error | undefined }> {
    const unheard = await this.sessions.lockUnheard(manager, this.config.sessionTimeout, BATCH);
    const recorded: string[] = [];
    let refusal: Error | undefined;
    const records = unheard.map((session) => this.trail.record(this.event(session)));
    for (const [i, record] of (await Promise.allSettled(records)).entries())
      if (record.status === 'fulfilled') recorded.push(unheard[i]!.session_id);
      else refusal ??= record.reason as Error;
    if (recorded.length > 0) await this.sessions.abandon(manager, recorded);
    return { found: unheard.length, closed: recorded.length, refusal };
  }

  private event({ session_id: sessionId, agent, last_seen_at: lastSeen }: Unheard): AuditRecord {
    return {
      ghost_id: agent,
      action: 'session.abandoned',
      resource: sessionsOf(agent),
      result: 'CANCELLED',
      reason: `nothing was heard of session '${sessionId}' for ${this.config.sessionTimeout} seconds`,
      session_id: sessionId,
      entities: [
        { kind: 'agent', id: agent },
        { kind: 'session', id: sessionId },
      ],
      metadata: { by: 'service:guardian', last_seen_at: lastSeen.toISOString() },
    };
  }
}

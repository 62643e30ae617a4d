import { Inject, Injectable } from '@nestjs/common';
import { GuardianClient } from '#clients';
import { ServiceError } from '#errors';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { type Route } from './route.js';
import { Running } from './running.js';

/** One guardian session a request: begun before the first model is called, ended whatever happens. */
@Injectable()
export class ModelSessions {
  constructor(
    private readonly guardian: GuardianClient,
    private readonly running: Running,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  of(route: Route): ModelSession {
    return new ModelSession(route, this.guardian, this.running, this.logger);
  }
}

export class ModelSession {
  private started = false;

  constructor(
    private readonly route: Route,
    private readonly guardian: GuardianClient,
    private readonly running: Running,
    private readonly logger: Logger,
  ) {}

  /** @throws ServiceError forbidden without a valid certificate, unavailable when the guardian does not answer */
  async start(model: string): Promise<void> {
    if (this.started) return;
    const { ghostId, sessionId, caller } = this.route;
    try {
      this.started = true;
      await this.guardian.startSession(
        { agent: ghostId ?? '', session_id: sessionId, metadata: { model } },
        caller.requestId,
      );
    } catch (error) {
      // After an outage nobody knows whether it began: it is ended then, to be sure.
      if (error instanceof ServiceError && error.kind !== 'unavailable') this.started = false;
      throw error;
    }
  }

  /** Does not wait: the answer is complete without it. */
  end(): void {
    if (!this.started) return;
    const { sessionId, outcome, caller } = this.route;
    const ending = this.guardian.endSession(
      { session_id: sessionId, outcome: outcome === 'refused' ? 'failed' : outcome },
      caller.requestId,
    );
    this.running.track(ending, (error) =>
      this.logger.warn({ err: error, session_id: sessionId }, 'a session could not be ended at the guardian'),
    );
  }
}

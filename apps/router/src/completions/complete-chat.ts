import { Injectable } from '@nestjs/common';
import { GatekeeperClient } from '#clients';
import { type ChatCompletion, type ChatRequest } from '#contracts';
import { ServiceError } from '#errors';
import { AccessControl } from '#http';
import { DecisionLog } from '../decisions/decision-log.js';
import { Providers } from '../providers/providers.js';
import { RegistryStore } from '../registry/registry-store.js';
import { type Shell } from '../registry/shell.entity.js';
import { candidatesFor, type Candidates } from './candidates.js';
import { resourceOf } from './model-call.js';
import { ModelCallFailed, ModelCalls } from './model-calls.js';
import { ModelSessions, type ModelSession } from './model-sessions.js';
import { Route, type Caller } from './route.js';

/** `events`: the data of each event, `[DONE]` last. Iterate it, even if only to break off: that is what ends the call. */
export type ChatAnswer = { sessionId: string } & (
  { kind: 'complete'; completion: ChatCompletion } | { kind: 'stream'; events: AsyncGenerator<string> }
);

/** A shell that cannot answer this request, where another may. */
class PassedOver extends Error {
  constructor(readonly answer: ServiceError) {
    super(answer.message, { cause: answer });
  }
}

/** Failures of a model that another model may not have. */
const MENDED_BY_ANOTHER: ReadonlySet<string> = new Set(['upstream', 'rate_limited']);

/**
 * Answers a chat completion: finds the shells that may, and has the first one answer that the policy allows, that is configured,
 * and that begins to. The guardian must have let the ghost begin a session before any model is called.
 */
@Injectable()
export class CompleteChat {
  constructor(
    private readonly registry: RegistryStore,
    private readonly access: AccessControl,
    private readonly gatekeeper: GatekeeperClient,
    private readonly providers: Providers,
    private readonly sessions: ModelSessions,
    private readonly calls: ModelCalls,
    private readonly decisions: DecisionLog,
  ) {}

  /** @throws ServiceError for every refusal and failure; the reason of `caller.gone` when the client is not there any more */
  async run(request: ChatRequest, caller: Caller): Promise<ChatAnswer> {
    const route = new Route(request, caller);
    const session = this.sessions.of(route);
    try {
      const candidates = await this.candidates(route);
      const answer = await this.firstAnswer(candidates, route, session);
      if (answer.kind === 'stream') return { ...answer, events: this.follow(answer.events, route, session) };
      route.succeed();
      this.finish(route, session);
      return answer;
    } catch (error) {
      route.fail(error);
      this.finish(route, session);
      throw error;
    }
  }

  private async *follow(events: AsyncGenerator<string>, route: Route, session: ModelSession): AsyncGenerator<string> {
    try {
      for await (const data of events) {
        if (data === '[DONE]') route.succeed();
        yield data;
      }
    } catch (error) {
      route.fail(error);
      throw error;
    } finally {
      this.finish(route, session);
    }
  }

  private finish(route: Route, session: ModelSession): void {
    session.end();
    // Callers that nobody knows are in the audit trail; they do not get to fill this table.
    if (route.ghostId !== null) this.decisions.record(route);
  }

  /** Which models exist is for those to know who may ask: a bad token is refused before an unknown name is. */
  private async candidates(route: Route): Promise<Candidates> {
    try {
      return candidatesFor(this.registry.current, route.request);
    } catch (error) {
      const agent = await this.access.authenticate(route.caller.token, route.caller.requestId);
      route.ghostId = agent.ghostId;
      route.tenantId = agent.tenantId;
      throw error;
    }
  }

  /** Where the choice is open, shells without a configured provider are asked about only when there are no others. */
  private async firstAnswer({ shells, open }: Candidates, route: Route, session: ModelSession): Promise<ChatAnswer> {
    const configured = shells.filter((shell) => this.providers.of(shell).configured);
    const tried = open && configured.length > 0 ? configured : shells;
    for (const shell of shells) if (!tried.includes(shell)) route.passOver(shell, this.notConfigured(shell));
    let last: ServiceError | undefined;
    for (const shell of tried) {
      try {
        return await this.attempt(shell, route, session);
      } catch (error) {
        if (!(error instanceof PassedOver)) throw error;
        last = error.answer;
        route.passOver(shell, last);
        if (!open) break;
      }
    }
    throw (
      last ?? new ServiceError('unavailable', 'no_candidate', `No model is left to answer for ${route.request.model}`)
    );
  }

  private async attempt(shell: Shell, route: Route, session: ModelSession): Promise<ChatAnswer> {
    await this.admit(shell, route);
    if (!this.providers.of(shell).configured) throw new PassedOver(this.notConfigured(shell));
    route.caller.gone.throwIfAborted();
    await session.start(shell.name);
    const { request, sessionId } = route;
    try {
      if (request.stream) return { kind: 'stream', sessionId, events: await this.calls.stream(shell, route) };
      return { kind: 'complete', sessionId, completion: await this.calls.complete(shell, route) };
    } catch (error) {
      if (!(error instanceof ModelCallFailed)) throw error;
      throw MENDED_BY_ANOTHER.has(error.failure.kind) ? new PassedOver(error.failure) : error.failure;
    }
  }

  private async admit(shell: Shell, route: Route): Promise<void> {
    const { caller, request, sessionId } = route;
    const { complexity, priority, model } = request;
    const metadata = { session_id: sessionId, requested_model: model, complexity, priority };
    try {
      const question = { action: 'execute', resource: resourceOf(shell), metadata };
      const decision = await this.gatekeeper.validate(caller.token, question, caller.requestId);
      route.ghostId = decision.ghost_id;
      route.tenantId = decision.tenant_id ?? route.tenantId;
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'forbidden') throw error;
      const ghost = error.extensions['ghost_id'];
      if (typeof ghost === 'string') route.ghostId = ghost;
      throw new PassedOver(error);
    }
  }

  private notConfigured(shell: Shell): ServiceError {
    const { name, setting } = this.providers.of(shell);
    return new ServiceError(
      'unavailable',
      'provider_not_configured',
      `The provider ${name} of ${shell.name} is not configured; set ${setting} for the router`,
    );
  }
}

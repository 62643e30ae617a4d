import { Inject, Injectable } from '@nestjs/common';
import { AuditTrail } from '#audit';
import { type ChatCompletion, type ChatRequest } from '#contracts';
import { ServiceError } from '#errors';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { type ChatChunk } from '../providers/provider.js';
import { Providers } from '../providers/providers.js';
import { type Shell } from '../registry/shell.entity.js';
import { UsageReporter } from '../usage/usage-reporter.js';
import { ModelCall } from './model-call.js';
import { type Route } from './route.js';

/** A call that came to nothing before the first byte of an answer; another shell may still do it. */
export class ModelCallFailed extends Error {
  constructor(readonly failure: ServiceError) {
    super(failure.message, { cause: failure });
  }
}

/** Calls models: each call's intent is in the audit trail before it, and its outcome after it. */
@Injectable()
export class ModelCalls {
  constructor(
    private readonly providers: Providers,
    private readonly trail: AuditTrail,
    private readonly usage: UsageReporter,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws ModelCallFailed; ServiceError unavailable when the call cannot be audited; the abort reason when the client is gone */
  async complete(shell: Shell, route: Route): Promise<ChatCompletion> {
    const call = await this.begin(shell, route);
    let answer: ChatCompletion;
    try {
      answer = await this.providers.of(shell).complete(forProvider(route.request, shell), route.caller.gone);
    } catch (error) {
      throw await this.failed(call, error);
    }
    call.meter.report(answer.usage);
    for (const choice of answer.choices) call.meter.text((choice['message'] as { content?: unknown } | null)?.content);
    // Not answered before it is recorded.
    await call.end('SUCCEEDED');
    return { ...answer, model: shell.name };
  }

  /**
   * Resolves when the model has begun to answer.
   *
   * @returns the data of each event for the client, `[DONE]` last; iterate it to its end or return it, or the call stays open
   * @throws as `complete`, and in mid-stream
   */
  async stream(shell: Shell, route: Route): Promise<AsyncGenerator<string>> {
    const call = await this.begin(shell, route);
    const chunks = this.providers.of(shell).stream(forProvider(route.request, shell), route.caller.gone);
    try {
      const first = await chunks.next();
      call.answering();
      return this.follow(call, first, chunks);
    } catch (error) {
      throw await this.failed(call, error);
    }
  }

  private async *follow(
    call: ModelCall,
    first: IteratorResult<ChatChunk>,
    chunks: AsyncGenerator<ChatChunk>,
  ): AsyncGenerator<string> {
    const wantsUsage = call.route.request.stream_options?.include_usage === true;
    let outcome: 'SUCCEEDED' | 'FAILED' | 'CANCELLED' = 'CANCELLED';
    try {
      for (let next = first; next.done !== true; next = await chunks.next()) {
        const { content, data } = next.value;
        call.meter.read(content);
        const onlyUsage = content.usage != null && content.choices.length === 0;
        if (!onlyUsage || wantsUsage) yield data;
      }
      outcome = 'SUCCEEDED';
    } catch (error) {
      if (!call.route.caller.gone.aborted) outcome = 'FAILED';
      throw error;
    } finally {
      await chunks.return(undefined);
      if (outcome !== 'SUCCEEDED') await this.endQuietly(call, outcome);
    }
    // Who has seen the end of an answer can rely on it being recorded.
    await call.end('SUCCEEDED');
    yield '[DONE]';
  }

  private async begin(shell: Shell, route: Route): Promise<ModelCall> {
    route.caller.gone.throwIfAborted();
    const call = new ModelCall(shell, route, this.trail, this.usage);
    await call.intend();
    return call;
  }

  /** Records the failure. @returns what to throw */
  private async failed(call: ModelCall, error: unknown): Promise<unknown> {
    const cancelled = call.route.caller.gone.aborted;
    await this.endQuietly(call, cancelled ? 'CANCELLED' : 'FAILED', error);
    return cancelled || !(error instanceof ServiceError) ? error : new ModelCallFailed(error);
  }

  /** The failure that is being dealt with counts for more than that it could not be recorded; the intent is in the trail. */
  private async endQuietly(call: ModelCall, outcome: 'FAILED' | 'CANCELLED', failure?: unknown): Promise<void> {
    await call
      .end(outcome, failure)
      .catch((error: unknown) => this.logger.error({ err: error }, 'the outcome of a model call could not be audited'));
  }
}

/** The request as the provider is to see it: without our own members, with its own name of the model, and asked for usage. */
function forProvider(request: ChatRequest, shell: Shell): ChatRequest {
  const { complexity: _complexity, priority: _priority, force_tier: _tier, ...rest } = request;
  const options = request.stream ? { stream_options: { ...request.stream_options, include_usage: true } } : {};
  return { ...rest, ...options, model: shell.providerModel } as ChatRequest;
}

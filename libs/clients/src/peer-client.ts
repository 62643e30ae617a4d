import CircuitBreaker from 'opossum';
import { Pool } from 'undici';
import { type z } from 'zod';
import { type ServiceName } from '#contracts';
import { ServiceError } from '#errors';
import { type ServiceTokens } from '#http';
import { type Logger } from '#logging';
import { parseJson, refusalOf, retryAfterOf, type PeerAnswer } from './peer-answer.js';
import { PeerFailure } from './peer-failure.js';

export interface PeerOptions {
  name: ServiceName;
  url: string;
  tokens: ServiceTokens;
  logger?: Logger | undefined;
  meter?: PeerMeter | undefined;
  /** Milliseconds until an answer must be complete; each try has as many. */
  timeoutMs?: number;
  /** Milliseconds after which a peer that kept failing is tried again. */
  breakMs?: number;
  /** Calls that may be under way; further ones are an outage at once. */
  maxPending?: number;
}

/** Told of what operators watch. */
export interface PeerMeter {
  begun: () => void;
  ended: () => void;
  outage: (peer: ServiceName) => void;
}

export interface PeerCall<S extends z.ZodType> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
  requestId?: string | undefined;
  /** An agent's token to pass on; without one, this service's own. */
  agentToken?: string;
  /** Doing it twice is the same as doing it once: one more try after an outage. */
  idempotent?: boolean;
  response: S;
}

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_BREAK_MS = 2000;
/** With a peer that hangs, more would only fill the memory until they time out. */
const DEFAULT_MAX_PENDING = 4096;
const CONNECTIONS = 64;
/** The longest that any service says to another: a registry of some thousand models. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Calls to one other service over a keep-alive pool: timeout, one retry of idempotent calls, circuit breaker, a service token for
 * each try. The peer's refusals (problem documents with 4xx) come back as ServiceError with its own detail and code. An outage is
 * always `unavailable`, never taken for a refusal: no answer, 5xx, an answer that is not what the contract says or not the peer's,
 * and a 401 for this service's own token, which is nobody's fault but the operator's.
 */
export class PeerClient {
  readonly pool: Pool;
  private readonly breaker: CircuitBreaker<[() => Promise<unknown>], unknown>;
  private readonly timeoutMs: number;
  private keyRefused = false;
  private pending = 0;

  constructor(private readonly options: PeerOptions) {
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.pool = new Pool(options.url, {
      connections: CONNECTIONS,
      connect: { timeout: 2000 },
      keepAliveTimeout: 30_000,
      maxResponseSize: MAX_ANSWER_BYTES,
    });
    this.breaker = new CircuitBreaker((exchange: () => Promise<unknown>) => exchange(), {
      timeout: false,
      volumeThreshold: 10,
      errorThresholdPercentage: 50,
      resetTimeout: options.breakMs ?? DEFAULT_BREAK_MS,
    });
  }

  /** @throws ServiceError as the class says */
  async call<S extends z.ZodType>(call: PeerCall<S>): Promise<z.output<S>> {
    const { name, maxPending = DEFAULT_MAX_PENDING, meter } = this.options;
    if (this.pending >= maxPending)
      throw this.outage(new PeerFailure(`${maxPending} calls to the ${name} are under way already`));
    this.pending++;
    meter?.begun();
    try {
      return await this.tryTwice(call);
    } finally {
      this.pending--;
      meter?.ended();
    }
  }

  /** Headers for one call, of which no other may be made; also for those that stream and so do not go through `call`. */
  headers({ agentToken, requestId }: { agentToken?: string; requestId?: string | undefined }): Record<string, string> {
    const token = agentToken ?? this.options.tokens.issueFor(this.options.name);
    return {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(requestId && { 'x-request-id': requestId }),
    };
  }

  outage(cause: unknown): ServiceError {
    const { name, meter } = this.options;
    meter?.outage(name);
    return new ServiceError('unavailable', `${name}_unavailable`, `The ${name} service does not answer`, {
      cause,
      retryAfter: (cause instanceof PeerFailure && cause.retryAfter) || 1,
    });
  }

  async close(): Promise<void> {
    this.breaker.shutdown();
    // Not close(): that would wait for answers that nobody waits for any more.
    await this.pool.destroy();
  }

  private async tryTwice<S extends z.ZodType>(call: PeerCall<S>): Promise<z.output<S>> {
    const body = jsonOf(call.body);
    const exchange = () => this.exchange(call, body);
    const answer = await this.attempt(exchange).catch((error: unknown) => {
      if (call.idempotent && !this.breaker.opened) return this.attempt(exchange);
      throw error;
    });
    if (answer instanceof ServiceError) throw answer;
    return answer;
  }

  private async attempt<T>(exchange: () => Promise<T>): Promise<T> {
    try {
      return (await this.breaker.fire(exchange)) as T;
    } catch (error) {
      throw this.outage(error);
    }
  }

  /** A refusal is an answer; everything that is thrown counts as a failure for the breaker. */
  private async exchange<S extends z.ZodType>(
    call: PeerCall<S>,
    body: string | null,
  ): Promise<z.output<S> | ServiceError> {
    const {
      statusCode: status,
      headers,
      body: stream,
    } = await this.pool.request({
      method: call.method,
      path: call.path,
      headers: this.headers(call),
      body,
      signal: AbortSignal.timeout(this.timeoutMs),
    });
    const answer: PeerAnswer = { status, headers, text: await stream.text() };
    if (status >= 200 && status < 300) return this.contentOf(answer, call.response);
    const refusal = refusalOf(answer);
    if (!refusal) throw this.failure(`answered ${status}: ${answer.text.slice(0, 500)}`, answer);
    if (status === 401 && call.agentToken === undefined) throw this.ownTokenRefused();
    return refusal;
  }

  private contentOf<S extends z.ZodType>(answer: PeerAnswer, schema: S): z.output<S> {
    const parsed = schema.safeParse(parseJson(answer.text));
    if (!parsed.success) throw this.failure(`gave an unexpected answer: ${parsed.error.message}`, answer);
    this.keyRefused = false;
    return parsed.data;
  }

  private failure(what: string, { headers }: PeerAnswer): PeerFailure {
    return new PeerFailure(`${this.options.name} ${what}`, retryAfterOf(headers));
  }

  /** Told once, not with every call. */
  private ownTokenRefused(): PeerFailure {
    const { name, logger } = this.options;
    const message = `the ${name} does not accept this service's own token (401): SERVICE_KEY must be the same in both, and their clocks must agree`;
    if (!this.keyRefused) logger?.error({ peer: name }, message);
    this.keyRefused = true;
    return new PeerFailure(message);
  }
}

function jsonOf(body: unknown): string | null {
  return body === undefined ? null : JSON.stringify(body);
}
